//! What is said to a client, mode by mode.

use std::future::pending;
use std::pin::{Pin, pin};

use super::client::Client;
use super::conn::{Input, Output};
use super::exec;
use super::http;
use super::session::Stage;
use super::sink;
use crate::config::Service;
use crate::config::environment::Environment;
use crate::report::served::{End, Halt};
use crate::util::select::first;

/// A conversation. Boxed, so that ten thousand clients that echo need no room for what HTTP needs.
type Talk<'a> = Pin<Box<dyn Future<Output = Result<(), Halt>> + 'a>>;

/// Talks to a client in the mode that was asked for. It ends when there is no more to say.
pub(super) fn talk<'a>(
    client: &'a Client,
    input: &'a mut Input,
    output: &'a mut Output,
) -> Talk<'a> {
    match &client.session.request.service {
        Service::Echo => Box::pin(echo(input, output)),
        Service::Discard => Box::pin(input.skip()),
        Service::Chargen => Box::pin(chargen(client, input, output)),
        Service::Daytime => Box::pin(daytime(output)),
        Service::Blackhole => Box::pin(async { Err(client.gone().await) }),
        Service::Sink(request) => Box::pin(sink::talk(client, input, output, request)),
        Service::Exec(words) => Box::pin(exec::talk(client, input, output, exec::program(words))),
        Service::Shell(line) => Box::pin(exec::talk(client, input, output, exec::shell(line))),
        Service::Http(_) => Box::pin(http::talk(client, input, output)),
    }
}

/// RFC 862.
async fn echo(input: &mut Input, output: &mut Output) -> Result<(), Halt> {
    loop {
        let data = input.read().await?;
        if data.is_empty() {
            return Ok(());
        }
        output.write(&data).await?;
    }
}

/// RFC 864: what the client sends is thrown away. There is always more to say, so the server's end is the end.
async fn chargen(client: &Client, input: &mut Input, output: &mut Output) -> Result<(), Halt> {
    let lines = generated_lines();
    let sending = async {
        while client.session.stage() == Stage::Serving {
            output.write(&lines).await?;
        }
        Err(Halt::End(End::Shutdown, None))
    };
    let receiving = async {
        input.skip().await?;
        pending().await
    };
    first(pin!(receiving), pin!(sending)).await
}

/// RFC 864's pattern: lines of 72 of the 95 printable characters, each beginning one further.
pub(super) fn generated_lines() -> Vec<u8> {
    const WIDTH: usize = 72;
    let printable = || (b' '..=b'~').cycle();
    let lines = (0..95).map(|at| printable().skip(at).take(WIDTH).chain(*b"\r\n"));
    lines.flatten().collect()
}

/// RFC 867, with a date of RFC 3339.
async fn daytime(output: &mut Output) -> Result<(), Halt> {
    output.write(date().as_bytes()).await
}

pub(super) fn date() -> String {
    format!("{}\r\n", humantime::format_rfc3339_seconds(Environment::wall_clock()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_lines_are_those_of_the_rfc() {
        let lines = generated_lines();
        assert_eq!(lines.len(), 95 * 74);
        let first = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg";
        assert_eq!(&lines[..74], format!("{first}\r\n").as_bytes());
        let second = &lines[74..148];
        assert_eq!((second[0], second[71]), (b'!', b'h'));
        assert_eq!(&lines[94 * 74..][..3], b"~ !", "the last line wraps around");
    }
}
