//! TLS of MySQL and MariaDB: SSLRequest after the server's greeting (MySQL's client/server protocol, connection phase).

use std::io;

use super::Greeting;
use super::dialogue::{Dialogue, refused, unexpected_bytes};
use crate::util::units;

const CLIENT_PROTOCOL_41: u32 = 0x0200;
const CLIENT_SSL: u32 = 0x0800;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;

pub(super) async fn speak(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    /// A greeting has some 80 bytes, and an error at most 512 characters.
    const MAX_LENGTH: usize = 4096;
    let head = dialogue.bytes(4).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    if head[3] != 0 || length > MAX_LENGTH {
        return Err(unexpected_bytes(&[head, dialogue.rest().await].concat()));
    }
    let packet = dialogue.bytes(length).await?;
    let version = match packet.split_first() {
        Some((10, rest)) => greeting(rest)?,
        Some((0xff, rest)) => return Err(refused(error(rest))),
        _ => return Err(refused("the server's greeting is not that of MySQL")),
    };
    dialogue.send(&request()).await?;
    Ok(Some(version))
}

/// The server's version, from HandshakeV10.
fn greeting(packet: &[u8]) -> io::Result<String> {
    let odd = || refused("the server's greeting is not that of MySQL");
    let end = packet.iter().position(|byte| *byte == 0).ok_or_else(odd)?;
    let (version, rest) = packet.split_at(end);
    // Zero byte, thread number, first part of the nonce, zero byte.
    let capabilities = rest.get(14..16).ok_or_else(odd)?;
    let capabilities = u32::from(capabilities[0]) | u32::from(capabilities[1]) << 8;
    match capabilities & CLIENT_SSL {
        0 => Err(refused("the server does not offer TLS (no CLIENT_SSL in its capabilities)")),
        _ => Ok(units::printable(&String::from_utf8_lossy(version))),
    }
}

/// Number and message of an ERR packet, without its SQL state.
fn error(packet: &[u8]) -> String {
    let Some((&[low, high], text)) = packet.split_first_chunk() else {
        return "the server refuses the connection".to_owned();
    };
    let text = match text {
        [b'#', _, _, _, _, _, text @ ..] => text,
        text => text,
    };
    let number = u16::from_le_bytes([low, high]);
    let text = units::printable(&String::from_utf8_lossy(text));
    format!("the server refuses the connection with error {number}: `{text}`")
}

/// SSLRequest: the start of a login, up to the name of the user.
fn request() -> Vec<u8> {
    const MAX_PACKET: u32 = 1 << 24;
    const UTF8MB4: u8 = 45;
    let capabilities = CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION;
    let mut packet = vec![32, 0, 0, 1];
    packet.extend(capabilities.to_le_bytes());
    packet.extend(MAX_PACKET.to_le_bytes());
    packet.push(UTF8MB4);
    packet.resize(4 + 32, 0);
    packet
}
