//! `--mode chargen` (RFC 864): sends printable characters without end, and discards what it receives.

use std::future::pending;
use std::ops::RangeInclusive;
use std::pin::pin;

use futures_util::future::select;

use crate::commands::serve::context::ServerPhase;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::PeerIo;
use crate::report::served::EndReason;

/// Maximum reply to a datagram, in bytes.
const MAX_DATAGRAM: usize = 512;

/// Sends until the client disconnects or the server shuts down.
pub(super) async fn serve(io: &mut PeerIo) -> Result<(), Disconnect> {
    let lines = lines();
    let sending = async {
        while io.connection.context.phase() == ServerPhase::Serving {
            io.output.write(&lines).await?;
        }
        Err(Disconnect::Close(EndReason::Shutdown, None))
    };
    let receiving = async {
        io.input.discard_rest().await?;
        pending().await
    };
    select(pin!(receiving), pin!(sending)).await.factor_first().0
}

/// The reply to a datagram: a random number of characters.
pub(super) fn datagram(random: impl Fn(RangeInclusive<usize>) -> usize) -> Vec<u8> {
    lines()[..random(0..=MAX_DATAGRAM)].to_vec()
}

/// The recommended pattern: lines of 72 of the 95 printable characters, each starting one further on.
fn lines() -> Vec<u8> {
    const WIDTH: usize = 72;
    let printable = || (b' '..=b'~').cycle();
    let lines = (0..95).map(|at| printable().skip(at).take(WIDTH).chain(*b"\r\n"));
    lines.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_rfc() {
        let lines = lines();
        assert_eq!(lines.len(), 95 * 74);
        let first = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg";
        assert_eq!(&lines[..74], format!("{first}\r\n").as_bytes());
        let second = &lines[74..148];
        assert_eq!((second[0], second[71]), (b'!', b'h'));
        assert_eq!(&lines[94 * 74..][..3], b"~ !", "the last line wraps around");
    }
}
