//! STARTTLS: the plain-text exchange of each protocol before TLS.

mod dialogue;
mod ldap;
mod mysql;
mod xmpp;

use std::io;
use std::net::IpAddr;

use loopctl::{PlainProtocol, StreamReader, StreamWriter};

use self::dialogue::{Dialogue, MAX_LINES, answered, refused};
use crate::config::StartTls;

type Greeting = Option<String>;

/// Runs the exchange until the peer is ready for TLS, and returns its greeting if the protocol has one.
///
/// # Errors
/// An answer that refuses TLS, or a failure of the network.
pub(super) async fn speak(
    protocol: StartTls,
    reader: &mut StreamReader,
    writer: &mut StreamWriter,
    name: &str,
) -> io::Result<Greeting> {
    let mut dialogue = Dialogue { reader, writer };
    match protocol {
        StartTls::Smtp => smtp(&mut dialogue, "EHLO").await,
        StartTls::Lmtp => smtp(&mut dialogue, "LHLO").await,
        StartTls::Imap => imap(&mut dialogue).await,
        StartTls::Pop3 => pop3(&mut dialogue).await,
        StartTls::Ftp => ftp(&mut dialogue).await,
        StartTls::Nntp => nntp(&mut dialogue).await,
        StartTls::Sieve => sieve(&mut dialogue).await,
        StartTls::Postgres => postgres(&mut dialogue).await,
        StartTls::MySql => mysql::speak(&mut dialogue).await,
        StartTls::Ldap => ldap::speak(&mut dialogue).await,
        StartTls::Xmpp => xmpp::speak(&mut dialogue, name).await,
    }
}

/// RFC 3207; with `LHLO`, RFC 2033.
async fn smtp(dialogue: &mut Dialogue<'_>, hello: &str) -> io::Result<Greeting> {
    let greeting = dialogue.greeting(&["220"]).await?;
    // A client without a domain name gives an address literal (RFC 5321, section 4.1.4).
    let own = match dialogue.writer.transport().local_addr().map(|own| own.ip()) {
        Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
        Err(_) => "localhost".to_owned(),
    };
    dialogue.say(&format!("{hello} {own}\r\n")).await?;
    let offers = dialogue.reply(&["250"]).await?;
    // Keywords are recognised in any case (RFC 5321, section 4.1.1.1).
    let keyword = |line: &String| line.get(4..)?.split_whitespace().next().map(str::to_owned);
    let mut keywords = offers.iter().filter_map(keyword);
    if !keywords.any(|word| word.eq_ignore_ascii_case("STARTTLS")) {
        return Err(refused("the server does not offer STARTTLS"));
    }
    dialogue.say("STARTTLS\r\n").await?;
    dialogue.reply(&["220"]).await?;
    Ok(greeting.into_iter().next())
}

/// RFC 9051, section 6.2.1. Its words are recognised in any case (section 9).
async fn imap(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.line().await?;
    match words(&greeting).as_slice() {
        [star, ok, ..] if star == "*" && ok == "OK" => {}
        [star, ok, ..] if star == "*" && ok == "PREAUTH" => {
            return Err(refused(
                "the connection is authenticated from its beginning (PREAUTH), where STARTTLS is not allowed",
            ));
        }
        _ => return Err(dialogue::unexpected(&greeting)),
    }
    dialogue.say("a1 STARTTLS\r\n").await?;
    for _ in 0..MAX_LINES {
        let line = dialogue.line().await?;
        match words(&line).as_slice() {
            [tag, ok, ..] if tag == "A1" && ok == "OK" => return Ok(Some(greeting)),
            [tag, ..] if tag == "A1" => return Err(answered(&line)),
            [star, bye, ..] if star == "*" && bye == "BYE" => return Err(answered(&line)),
            _ => {}
        }
    }
    Err(refused("the server's reply is too long"))
}

/// The first words of a line, in capitals.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().take(3).map(str::to_ascii_uppercase).collect()
}

/// RFC 2595, section 4. Status indicators are in capitals (RFC 1939, section 3).
async fn pop3(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.line().await?;
    if !greeting.starts_with("+OK") {
        return Err(dialogue::unexpected(&greeting));
    }
    dialogue.say("STLS\r\n").await?;
    let answer = dialogue.line().await?;
    if answer.starts_with("+OK") { Ok(Some(greeting)) } else { Err(answered(&answer)) }
}

/// RFC 4217, section 4.
async fn ftp(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let mut greeting = dialogue.greeting(&["120", "220"]).await?;
    // `120` announces that the service is ready later (RFC 959, section 5.4).
    for _ in 0..MAX_LINES {
        if !greeting[0].starts_with("120") {
            break;
        }
        greeting = dialogue.reply(&["120", "220"]).await?;
    }
    dialogue.say("AUTH TLS\r\n").await?;
    dialogue.reply(&["234"]).await?;
    Ok(greeting.into_iter().next())
}

/// RFC 4642, section 2.2.
async fn nntp(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.greeting(&["200", "201"]).await?;
    dialogue.say("STARTTLS\r\n").await?;
    dialogue.reply(&["382"]).await?;
    Ok(greeting.into_iter().next())
}

/// RFC 5804, section 2.2. The server begins with its capabilities, whose names are recognised in any case.
async fn sieve(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let (mut greeting, mut is_offered) = (None, false);
    for count in 0.. {
        let line = dialogue.line().await?;
        let word = words(&line).into_iter().next().unwrap_or_default();
        match word.as_str() {
            "OK" => break,
            "NO" | "BYE" => return Err(answered(&line)),
            "\"STARTTLS\"" => is_offered = true,
            word if word.starts_with('"') && count < MAX_LINES => {
                greeting.get_or_insert(line);
            }
            _ if count == 0 => return Err(dialogue::unexpected(&line)),
            _ if count == MAX_LINES => return Err(refused("the server's reply is too long")),
            _ => {}
        }
    }
    if !is_offered {
        return Err(refused("the server does not offer STARTTLS"));
    }
    dialogue.say("STARTTLS\r\n").await?;
    let answer = dialogue.line().await?;
    match words(&answer).first().is_some_and(|word| word == "OK") {
        true => Ok(greeting),
        false => Err(answered(&answer)),
    }
}

/// PostgreSQL's frontend/backend protocol, SSLRequest.
async fn postgres(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    dialogue.send(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
    match dialogue.bytes(1).await?.as_slice() {
        b"S" => Ok(None),
        b"N" => Err(refused("the server does not support TLS")),
        other => {
            let answer = [other, &dialogue.rest().await].concat();
            Err(match PlainProtocol::of(&answer) {
                // Its text is not shown, because anybody on the path could have written it (CVE-2024-10977).
                Some(PlainProtocol::Postgres) => refused(
                    "the server answered the request for TLS with an error message of PostgreSQL",
                ),
                None if other == b"E" => refused(
                    "the server answered the request for TLS with an error message of PostgreSQL",
                ),
                _ => dialogue::unexpected_bytes(&answer),
            })
        }
    }
}
