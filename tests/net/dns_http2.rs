//! Name servers on the web that speak HTTP/2: hyper's server on the loop.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use loopctl::{
    DnsAnswer, DnsClient, DnsError, DnsErrorKind, DuplexStream, HyperExecutor, LoopHandle,
    RecordType, TlsServer,
};

use crate::skip::has_localhost;
use crate::support::authority::Authority;
use crate::support::name_server::{A, Asked};
use crate::support::{ms, run};

/// Counters of a server.
#[derive(Default)]
struct Seen {
    connections: Cell<usize>,
    gets: Cell<usize>,
    posts: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Answers,
    Large,
    Redirects,
    TalksHtml,
    /// Ends the connection after the preface of HTTP/2.
    HangsUp,
}

async fn respond(
    request: Request<Incoming>,
    seen: Rc<Seen>,
    manner: Manner,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_get = request.method() == Method::GET;
    let counter = if is_get { &seen.gets } else { &seen.posts };
    counter.set(counter.get() + 1);
    let message = if is_get {
        let query = request.uri().query().unwrap().strip_prefix("dns=").unwrap();
        data_encoding::BASE64URL_NOPAD.decode(query.as_bytes()).unwrap()
    } else {
        request.into_body().collect().await.unwrap().to_bytes().to_vec()
    };
    let from = "127.0.0.1:0".parse().unwrap();
    let asked = Asked { name: String::new(), kind: A, is_tcp: true, time: 1, from, message };
    let count = if manner == Manner::Large { 3000 } else { 1 };
    let answer = (0..count).fold(asked.answer(), |answer, n: u16| {
        let [high, low] = n.to_be_bytes();
        answer.a(60, [10, 0, high, low])
    });
    let builder = Response::builder();
    let builder = match manner {
        Manner::Redirects => builder.status(308).header("location", "https://b.test/q"),
        Manner::TalksHtml => builder.header("content-type", "text/html"),
        _ => builder.header("content-type", "application/dns-message"),
    };
    Ok(builder.body(Full::new(Bytes::from(answer.bytes()))).unwrap())
}

async fn serve(event_loop: &LoopHandle, tls: TlsServer, seen: Rc<Seen>, manner: Manner) -> u16 {
    let inside = event_loop.clone();
    let serving = event_loop.create_server("127.0.0.1", 0).tls(tls);
    let handler = move |mut reader: loopctl::StreamReader, writer: loopctl::StreamWriter| {
        let (seen, inside) = (Rc::clone(&seen), inside.clone());
        async move {
            seen.connections.set(seen.connections.get() + 1);
            if manner == Manner::HangsUp {
                let _ = reader.read_exactly(24).await;
                return;
            }
            let service = service_fn(move |request| respond(request, Rc::clone(&seen), manner));
            let io = DuplexStream::new(reader, writer);
            let _ = http2::Builder::new(HyperExecutor::new(&inside))
                .serve_connection(io, service)
                .await;
        }
    };
    let server = serving.serve_streams(handler).await.unwrap();
    let port = server.local_addrs()[0].port();
    std::mem::forget(server);
    port
}

/// Results of many queries at once, and then of one more.
fn ask(path: &str, manner: Manner, count: usize) -> (Vec<Result<DnsAnswer, DnsError>>, Rc<Seen>) {
    let authority = Authority::new("Test CA");
    let papers = authority.papers("localhost");
    let tls = TlsServer::builder().identity_pem(&papers.chain, &papers.key).alpn(["h2"]);
    let (tls, client_tls) = (tls.build().unwrap(), authority.client());
    let seen = Rc::new(Seen::default());
    let (inside, path) = (Rc::clone(&seen), path.to_owned());
    let results = run(async move |event_loop| {
        let port = serve(&event_loop, tls, inside, manner).await;
        let server = format!("https://localhost:{port}{path}").parse().unwrap();
        let client = DnsClient::builder().servers([server]).tls(client_tls);
        let client = client.attempts(1).timeout(ms(8000)).build(&event_loop).unwrap();
        let names: Vec<String> = (0..count).map(|n| format!("n{n}.test")).collect();
        let queries = names.iter().map(|name| client.query(name, RecordType::A));
        let mut results = futures_util::future::join_all(queries).await;
        results.push(client.query("last.test", RecordType::A).await);
        results
    });
    (results, seen)
}

#[test]
fn o4_many_questions_share_a_connection_of_http2() {
    if !has_localhost() {
        return;
    }
    let (results, seen) = ask("/dns-query", Manner::Answers, 40);
    assert_eq!(results.len(), 41);
    for result in results {
        assert_eq!(result.unwrap().addresses().count(), 1);
    }
    assert_eq!((seen.connections.get(), seen.posts.get(), seen.gets.get()), (1, 41, 0));
}

#[test]
fn o4_a_template_asks_with_get_and_answers_may_be_large() {
    if !has_localhost() {
        return;
    }
    let (results, seen) = ask("/q{?dns}", Manner::Large, 2);
    for result in results {
        assert_eq!(result.unwrap().addresses().count(), 3000);
    }
    assert_eq!((seen.posts.get(), seen.gets.get()), (0, 3));
}

#[test]
fn o4_what_http2_says_instead_of_a_message_is_told() {
    if !has_localhost() {
        return;
    }
    let table = [
        (Manner::Redirects, DnsErrorKind::Malformed, "redirects to https://b.test/q"),
        (Manner::TalksHtml, DnsErrorKind::Malformed, "it is text/html"),
        (Manner::HangsUp, DnsErrorKind::Network, "closed the connection without an answer"),
    ];
    for (manner, kind, why) in table {
        let (results, _) = ask("/", manner, 0);
        let error = results.into_iter().next().unwrap().unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}
