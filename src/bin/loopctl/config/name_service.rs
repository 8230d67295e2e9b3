//! Files and variables that the system's resolver obeys.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use loopctl::{HostsAddress, HostsFile, ResolvConf, UnreadableConf, read_config_file};

use super::nsswitch_conf::NameSources;

/// Configuration of the system's resolver.
#[derive(Debug, Clone)]
pub(crate) struct NameService {
    pub(crate) conf: ResolvConf,
    pub(crate) sources: NameSources,
    pub(crate) hosts: HostsFile,
    /// Reason why the hosts file was not read.
    pub(crate) unreadable_hosts: Option<UnreadableConf>,
}

impl NameService {
    /// Configuration of this host and of this process. A file that cannot be read means its default, as for the system.
    pub(crate) fn of_system() -> Self {
        let (hosts, unreadable_hosts) = match read_config_file(HostsFile::PATH) {
            Ok(text) => (HostsFile::parse(text), None),
            Err(error) => {
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                let message = crate::util::message::plain(&error);
                (HostsFile::default(), Some(UnreadableConf { is_missing, message }))
            }
        };
        let (conf, sources) = (ResolvConf::of_system(), NameSources::of_system());
        Self { conf, sources, hosts, unreadable_hosts }
    }

    /// Lines of the hosts file that the system uses for a name.
    pub(crate) fn hosts_of(&self, name: &str) -> &[HostsAddress] {
        if self.sources.uses_files() { self.hosts.find(name) } else { &[] }
    }

    /// Lines of the hosts file by the addresses that they have for the name.
    pub(crate) fn lines_of(&self, name: &str) -> HashMap<IpAddr, usize> {
        self.hosts_of(name).iter().map(|it| (it.address, it.line)).collect()
    }
}
