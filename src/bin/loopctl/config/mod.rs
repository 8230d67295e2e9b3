//! The meaning of the command line: requests that are valid, and nothing of the syntax that they came in.

pub(crate) mod connect;
mod control;
mod dig_words;
pub(crate) mod environment;
pub(crate) mod fault;
pub(crate) mod fault_file;
pub(crate) mod gai_conf;
pub(crate) mod http;
pub(crate) mod ip_local_port_range;
pub(crate) mod listen_overflows;
pub(crate) mod name_service;
pub(crate) mod nsswitch_conf;
pub(crate) mod output;
pub(crate) mod path;
pub(crate) mod proxy;
pub(crate) mod race;
pub(crate) mod race_policy;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod resolver_limit;
pub(crate) mod scheme;
pub(crate) mod sendfile;
pub(crate) mod serve;
mod serve_faults;
pub(crate) mod socket;
mod target_mistake;
mod target_race;
pub(crate) mod target_url;
pub(crate) mod targets;
pub(crate) mod tcp_syn_retries;
pub(crate) mod tls;
mod upstream;

pub(crate) use connect::{
    AfterConnect, CompareRequest, ConnectMode, ConnectRequest, Expectations, RelayRequest,
    RepeatRequest,
};
pub(crate) use control::ControlRequest;
pub(crate) use fault::{Fault, Jittered};
pub(crate) use http::{HttpCall, HttpExpectations, HttpRequest, StatusSet};
pub(crate) use name_service::NameService;
pub(crate) use output::{ColorChoice, Format, OutputRequest, ReportDestination, SlowRequest};
pub(crate) use path::PathRequest;
pub(crate) use race::{DnsRequest, RaceRequest};
pub(crate) use race_policy::NamedPolicy;
pub(crate) use report::{PageFormat, PageOutput, ReportRequest};
pub(crate) use resolve::{
    AddressOrder, NameRequest, QuestionRequest, ResolveRequest, ResolverChoice,
    Subject as NameSubject,
};
pub(crate) use scheme::Security;
pub(crate) use sendfile::{Part, SendRequest};
pub(crate) use serve::{
    ListenSpec, LogFormat, OutputTarget, ProgramCommand, ServeRequest, ServerTls, Service,
    SinkRequest,
};
pub(crate) use serve_faults::Faults;
pub(crate) use targets::TargetRequest;
pub(crate) use tls::{KeyLog, StartTls, TlsRequest, key_log};
pub(crate) use upstream::UpstreamRequest;
