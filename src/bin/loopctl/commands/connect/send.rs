//! `loopctl sendfile`: a connection, and a file over it.

use std::future::pending;
use std::num::NonZero;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures_util::future::select;
use loopctl::{LoopHandle, StreamReader, StreamWriter, Transport};
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::Session;
use super::race::Try;
use super::relay::Winner;
use crate::commands::sendfile::{Input, Transfer};
use crate::config::SendRequest;
use crate::diagnose::exit_status;
use crate::exit::Exit;
use crate::output::human::sendfile::text;
use crate::output::progress::bar;
use crate::output::progress::bar::Bar;
use crate::report::target_result::TargetResult;
use crate::report::transfer::{TransferEnd, TransferError, TransferReport};
use crate::report::{End, FailureKind, Report};
use crate::util::cancellation::StopReason;

/// The default of a reason that a cancelled token always has.
const INTERRUPTED: StopReason = StopReason::Signal(SIGINT);

impl Session {
    /// Opens the file, connects to the only target, and sends it.
    pub(super) async fn send(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        request: &SendRequest,
    ) -> Exit {
        let opened = self.token.run_until_cancelled(Input::open(event_loop, request)).await;
        let mut report = match opened {
            Some(Ok(input)) => self.send_input(event_loop, request, input).await,
            unopened => self.without_file(event_loop, request, unopened.and_then(Result::err)),
        };
        report.transfer.get_or_insert_with(|| Box::new(TransferReport::new(request.name())));
        let exit = exit_status::for_report(&report);
        self.print(0, Some(TargetResult::Report(Box::new(report))));
        exit
    }

    async fn send_input(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        request: &SendRequest,
        mut input: Input,
    ) -> Report {
        let mut report = self.race(event_loop, &self.request.targets[0], 0).await;
        let winner = self.winner.take();
        let mut sending = TransferReport::of(request.name(), &input);
        sending.path.clone_from(&request.file);
        let (Some(Winner::Stream(reader, writer)), Exit::Success) =
            (winner, exit_status::for_report(&report))
        else {
            report.transfer = Some(Box::new(sending));
            return report;
        };
        self.printer.borrow_mut().connected(&report);
        let left = request.limit.map(|limit| limit.saturating_sub(report.total));
        let transfer = Transfer::new(event_loop, writer.transport(), left);
        self.send_over(&transfer, request, &mut input, (reader, writer), &mut sending).await;
        report.transfer = Some(Box::new(sending));
        report
    }

    /// Ends without a connection, because there is no file to send.
    fn without_file(
        &self,
        event_loop: &LoopHandle,
        request: &SendRequest,
        error: Option<TransferError>,
    ) -> Report {
        let target = &self.request.targets[0];
        let race = &*target.race;
        let timeout = race.timeout;
        let session = "1".to_owned();
        let mut report = self
            .blank(event_loop, &Try { target, session, known: None, timeout, race, http: None });
        let mut sending = TransferReport::new(request.name());
        sending.is_opened = false;
        report.end = match (error, self.cancelled()) {
            (Some(error), _) => {
                sending.end = TransferEnd::Failed(error);
                End::Failed(FailureKind::NoFile)
            }
            (None, reason) => End::Interrupted(reason.unwrap_or(INTERRUPTED)),
        };
        report.transfer = Some(Box::new(sending));
        report
    }

    async fn send_over(
        self: &Rc<Self>,
        transfer: &Rc<Transfer>,
        request: &SendRequest,
        input: &mut Input,
        mut stream: (StreamReader, StreamWriter),
        sending: &mut TransferReport,
    ) {
        let transport = stream.1.transport().clone();
        let style = self.request.output.stderr;
        let bar = self.request.output.live.then(|| {
            let total = input.count.map(NonZero::get);
            Rc::new(Bar::new(&sending.file, total, style))
        });
        self.print_progress_on_sigquit(transfer, bar.as_ref());
        let ended = {
            let running = async { Some(transfer.run(request, input, &mut stream, sending).await) };
            let drawing = draw(transfer, bar.as_deref());
            let both = async { select(pin!(running), pin!(drawing)).await.factor_first().0 };
            self.token.run_until_cancelled(both).await.flatten()
        };
        (sending.progress, sending.took) = (transfer.went(), transfer.took());
        if !matches!(ended, Some(Ok(()))) {
            sending.progress = transfer.acknowledged();
        }
        transfer.forget_socket();
        match ended {
            Some(Ok(())) => return transport.close(),
            Some(Err(error)) => sending.end = TransferEnd::Failed(error),
            None => {
                let reason = self.cancelled().unwrap_or(INTERRUPTED);
                sending.end = TransferEnd::Interrupted(reason);
            }
        }
        // Before the transport is closed, because a FIN would look like success.
        abort(&transport);
    }

    /// Prints the progress at SIGQUIT, above the bar if there is one.
    fn print_progress_on_sigquit(self: &Rc<Self>, transfer: &Rc<Transfer>, bar: Option<&Rc<Bar>>) {
        let (session, inside) = (Rc::clone(self), Rc::clone(transfer));
        let bar = bar.map(Rc::downgrade);
        let added = transfer.event_loop.add_signal_handler(SIGQUIT, move || {
            let interim = text::interim(inside.progress());
            let print = || session.printer.borrow().print_aside(&interim);
            match bar.as_ref().and_then(Weak::upgrade) {
                Some(bar) => bar.suspend(print),
                None => print(),
            }
        });
        if let Err(error) = added {
            log::warn!("cannot handle SIGQUIT: {error}");
        }
    }
}

/// Moves the bar, if there is a terminal. It never ends by itself.
async fn draw<T>(transfer: &Transfer, bar: Option<&Bar>) -> T {
    let Some(bar) = bar else { return pending().await };
    loop {
        transfer.event_loop.sleep(bar::FRAME).await;
        bar.draw(transfer.progress());
    }
}

/// Aborts with a RST, because after a FIN the peer would take a part for the whole. Unix sockets have no RST.
fn abort(transport: &Transport) {
    let _ = transport.socket().set_linger(Some(Duration::ZERO));
    transport.abort();
}
