//! The server: its clients, totals and opened resources.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;

use loopctl::{StreamReader, StreamWriter};

use super::client::Client;
use super::connection::Connection;
use super::context::{ServerContext, ServerPhase, StopReason};
use super::control::Control;
use super::datagram_log::DatagramLog;
use super::fault_plan::FaultPlan;
use super::inherited::InheritedSocket;
use super::listeners::Listeners;
use super::modes::Resources;
use super::reflection::Reflection;
use super::store::Store;
use super::tls::Tls;
use crate::config::fault::Side;
use crate::report::served::{ClientRecord, Datagram, Totals};
use crate::util::message::Message;
use crate::util::output_queue::OutputQueue;

/// One run of `loopctl serve`.
pub(super) struct Server {
    pub(super) context: Rc<ServerContext>,
    /// Sockets of `LISTEN_FDS`, until they are served.
    pub(super) inherited: RefCell<Vec<InheritedSocket>>,
    pub(super) listeners: RefCell<Listeners>,
    pub(super) resources: Resources,
    pub(super) tls: OnceCell<Tls>,
    pub(super) control: RefCell<Option<Control>>,
    /// By number, in order of acceptance.
    clients: RefCell<BTreeMap<u64, Rc<Connection>>>,
    totals: RefCell<Totals>,
    pub(super) reflection: Reflection,
    datagram_log: RefCell<DatagramLog>,
}

impl Server {
    pub(super) fn new(context: ServerContext, inherited: Vec<InheritedSocket>) -> Rc<Self> {
        Rc::new(Self {
            context: Rc::new(context),
            inherited: RefCell::new(inherited),
            listeners: RefCell::default(),
            resources: Resources::default(),
            tls: OnceCell::new(),
            control: RefCell::default(),
            clients: RefCell::default(),
            totals: RefCell::default(),
            reflection: Reflection::default(),
            datagram_log: RefCell::default(),
        })
    }

    /// Accepts a client, now, and returns the future that serves it.
    pub(super) fn serve_client(
        self: &Rc<Self>,
        reader: StreamReader,
        writer: StreamWriter,
    ) -> impl Future<Output = ()> + use<> {
        let transport = reader.transport().clone();
        let (context, rng) = (Rc::clone(&self.context), self.context.fork_rng());
        let connection = Rc::new(Connection::new(context, transport, Side::Client, rng));
        if self.context.is_blackhole() || connection.accept_delay().is_some() {
            connection.transport.pause_reading();
        }
        let number = self.add_client(&connection);
        let server = Rc::clone(self);
        async move {
            let client = Client::new(connection, &server.resources, server.tls.get());
            let record = client.serve(reader, writer).await;
            server.remove_client(number, &record);
            server.output_ready().await;
        }
    }

    /// Samples the faults of a datagram.
    pub(super) fn sample_faults(&self) -> Option<Rc<FaultPlan>> {
        self.context.sample_faults(Side::Client, self.context.fork_rng())
    }

    pub(super) fn random(&self, range: RangeInclusive<usize>) -> usize {
        self.context.fork_rng().usize(range)
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.resources.store()
    }
}

/// Clients and their totals.
impl Server {
    /// Registers a client, and closes the listeners if it is the last of `--count`.
    fn add_client(&self, connection: &Rc<Connection>) -> u64 {
        let peer = connection.peer();
        let number = self.count(peer);
        self.clients.borrow_mut().insert(number, Rc::clone(connection));
        self.context.printer.borrow_mut().accepted(peer);
        if self.has_accepted_all() {
            self.listeners.borrow_mut().close();
        } else if self.is_full() {
            self.listeners.borrow().pause_accepting();
            self.warn_full();
        }
        number
    }

    /// Warns once that a default limit is reached.
    fn warn_full(&self) {
        let limits = &self.context.request.limits;
        if let (Some(max), true, false) =
            (limits.max_clients, limits.is_implied_max, self.context.has_warned.replace(true))
            && max.get() > 1
        {
            let text = format!(
                "{max} clients are served, and others wait: --max-conns sets another number"
            );
            self.context.printer.borrow().message(&Message::warnings(vec![text]));
        }
    }

    /// Whether `--max-conns` clients are served, on all addresses together. One counts until its program has ended.
    fn is_full(&self) -> bool {
        let max = self.context.request.limits.max_clients;
        max.is_some_and(|max| self.clients.borrow().len() >= max.get())
    }

    fn remove_client(&self, number: u64, record: &ClientRecord) {
        let was_full = self.is_full();
        self.clients.borrow_mut().remove(&number);
        if was_full {
            self.listeners.borrow().resume_accepting();
        }
        self.totals.borrow_mut().count(record);
        self.context.print(|printer| printer.ended(record));
        self.context.notify();
    }

    /// Counts a received datagram; `false` if it is beyond `--count`.
    pub(super) fn add_datagram(&self, from: Option<SocketAddr>) -> bool {
        let is_wanted = !self.has_accepted_all();
        if is_wanted {
            self.count(from);
        }
        is_wanted
    }

    pub(super) fn finish_datagram(&self, datagram: &Datagram) {
        self.totals.borrow_mut().count_datagram(datagram);
        let due = self.datagram_log.borrow_mut().add(datagram, self.context.event_loop.time());
        self.print_datagrams(&due);
        self.context.notify();
    }

    /// Prints the datagrams that came too fast for a record each.
    pub(super) fn flush_datagrams(&self) {
        let due = self.datagram_log.borrow_mut().flush();
        self.print_datagrams(&due);
    }

    fn print_datagrams(&self, datagrams: &[Datagram]) {
        for datagram in datagrams {
            self.context.print(|printer| printer.datagram(datagram));
        }
    }

    /// Counts a client or datagram. `--count` leaves out those that `--allow` refuses.
    fn count(&self, peer: Option<SocketAddr>) -> u64 {
        let mut totals = self.totals.borrow_mut();
        totals.accepted += 1;
        totals.refused += u64::from(!self.context.allows(peer));
        totals.accepted
    }

    /// Totals so far, with the bytes of open connections.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.totals.borrow().clone();
        for client in self.clients.borrow().values() {
            totals.bytes.add(client.bytes());
        }
        totals
    }

    pub(super) fn has_accepted_all(&self) -> bool {
        let totals = self.totals.borrow();
        let counted = totals.accepted - totals.refused;
        self.context.request.limits.count.is_some_and(|count| counted >= count.get() as u64)
    }

    fn has_served_all(&self) -> bool {
        let open = self.totals.borrow().open();
        self.has_accepted_all() && open == 0
    }
}

/// Back-pressure of the output.
impl Server {
    /// Queues of bytes on their way to standard output or to the file that all clients share.
    pub(super) fn output_queues(&self) -> Vec<OutputQueue> {
        let printed = self.context.printer.borrow().queue();
        let shared = self.store().and_then(Store::shared);
        printed.into_iter().chain(shared.and_then(|file| file.queue.clone())).collect()
    }

    /// Waits until the output queues accept more.
    pub(super) async fn output_ready(&self) {
        for queue in self.output_queues() {
            queue.ready().await;
        }
    }
}

/// Shutdown.
impl Server {
    /// Sets the phase and wakes every client.
    pub(super) fn enter_phase(&self, phase: ServerPhase) {
        self.context.set_phase(phase);
        self.wake_clients();
    }

    /// Wakes every client, so that it sees the phase and the faults.
    pub(super) fn wake_clients(&self) {
        self.clients.borrow().values().for_each(|client| client.wake());
    }

    /// Waits for a request to stop, or for the end of the last of `--count` clients.
    pub(super) async fn wait_stop(&self) -> StopReason {
        let all_served = || self.has_served_all().then_some(StopReason::AllServed);
        self.context.wait_for(|| self.context.take_stop_reason().or_else(all_served)).await
    }

    /// Waits until no client is connected, or for another request to stop.
    pub(super) async fn wait_drained(&self) -> Option<StopReason> {
        let is_empty = || self.clients.borrow().is_empty().then_some(None);
        self.context.wait_for(|| self.context.take_stop_reason().map(Some).or_else(is_empty)).await
    }
}
