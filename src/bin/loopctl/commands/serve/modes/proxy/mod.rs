//! `--upstream`: each client is forwarded to another server, with faults in both directions.

mod upstream;

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select, try_join};

use crate::commands::serve::connection::Connection;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::{PeerIo, PeerReader, PeerWriter};
use crate::config::UpstreamRequest;
use crate::report::served::EndReason;

/// Connects to the upstream, and forwards in both directions until both have ended.
pub(super) async fn serve(io: &mut PeerIo, request: Rc<UpstreamRequest>) -> Result<(), Disconnect> {
    let mut upstream = upstream::connect(&io.connection, &request).await?;
    let link = AbortOnDrop(Rc::clone(&upstream.connection));
    match forward_until_end(io, &mut upstream).await {
        Ok(()) => {
            link.0.transport.close();
            // Ignored, because every byte was forwarded; the client sees how its connection ends.
            if upstream.output.wait_closed().await.is_ok() {
                link.0.record_all_sent();
            }
            Ok(())
        }
        Err(end) => Err(end_upstream(end, &mut upstream).await),
    }
}

/// Reason to stop forwarding.
enum UpstreamEnd {
    /// End of the client's connection, without a fault of the other.
    Client(Disconnect),
    /// A fault of the connection to the upstream.
    Fault(Disconnect),
}

/// Ends the connection to the upstream as the client's ended or as a fault asks; returns the end of the client's.
async fn end_upstream(end: UpstreamEnd, upstream: &mut PeerIo) -> Disconnect {
    let link = Rc::clone(&upstream.connection);
    match end {
        UpstreamEnd::Client(disconnect @ Disconnect::Close(EndReason::Reset, _)) => {
            link.reset();
            disconnect
        }
        UpstreamEnd::Client(disconnect) => disconnect,
        UpstreamEnd::Fault(Disconnect::Reset) => {
            link.wait_acknowledged().await;
            link.reset();
            Disconnect::Close(EndReason::Fault, None)
        }
        UpstreamEnd::Fault(disconnect) => {
            upstream.linger_after_fault().await;
            disconnect
        }
    }
}

/// Aborts the connection to the upstream when the client's has ended: by a RST where bytes are lost.
struct AbortOnDrop(Rc<Connection>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if !self.0.transport.is_closing() {
            self.0.abort();
        }
    }
}

async fn forward_until_end(io: &mut PeerIo, upstream: &mut PeerIo) -> Result<(), UpstreamEnd> {
    let link = Rc::clone(&upstream.connection);
    let faults = pin!(link.scheduled_faults());
    match select(faults, pin!(forward_both(io, upstream))).await {
        Either::Left((fault, _)) => Err(UpstreamEnd::Fault(fault)),
        Either::Right((end, _)) => end,
    }
}

async fn forward_both(io: &mut PeerIo, upstream: &mut PeerIo) -> Result<(), UpstreamEnd> {
    let client = Rc::clone(&io.connection);
    let is_stalled = Cell::new(false);
    let requests = async {
        match forward(&mut io.input, &mut upstream.output).await {
            Ok(()) if is_stalled.get() => Err(UpstreamEnd::Client(stalled())),
            Ok(()) => Ok(()),
            Err(Broken::Input(disconnect)) => Err(UpstreamEnd::Client(disconnect)),
            // Reading on is how the end of the client is noticed.
            Err(Broken::Output(Disconnect::Stall)) => {
                let read = io.input.discard_rest().await;
                Err(UpstreamEnd::Client(read.err().unwrap_or_else(stalled)))
            }
            Err(Broken::Output(disconnect)) => Err(upstream::broken(disconnect)),
        }
    };
    let replies = async {
        match forward(&mut upstream.input, &mut io.output).await {
            Ok(()) => Ok(()),
            Err(Broken::Input(disconnect)) => Err(upstream::broken(disconnect)),
            Err(Broken::Output(Disconnect::Stall)) => {
                is_stalled.set(true);
                Err(UpstreamEnd::Client(match client.wait_disconnected().await {
                    shutdown @ Disconnect::Close(EndReason::Shutdown, _) => shutdown,
                    _ => stalled(),
                }))
            }
            Err(Broken::Output(disconnect)) => Err(UpstreamEnd::Client(disconnect)),
        }
    };
    try_join(requests, replies).await.map(drop)
}

/// The end of a client whose connection stalled by a fault.
fn stalled() -> Disconnect {
    Disconnect::Close(EndReason::Fault, None)
}

/// The end of forwarding, by the connection that broke.
enum Broken {
    Input(Disconnect),
    Output(Disconnect),
}

/// Forwards one direction, and its end-of-file. After `half-close` the rest is dropped.
async fn forward(input: &mut PeerReader, output: &mut PeerWriter) -> Result<(), Broken> {
    let mut is_shut = false;
    loop {
        let data = input.read().await.map_err(Broken::Input)?;
        if data.is_empty() {
            if !is_shut {
                output.write_eof();
            }
            return Ok(());
        }
        if !is_shut {
            match output.write(&data).await {
                Err(Disconnect::OutputShut) => is_shut = true,
                written => written.map_err(Broken::Output)?,
            }
        }
    }
}
