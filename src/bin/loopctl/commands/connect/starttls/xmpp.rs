//! STARTTLS of XMPP (RFC 6120, section 5.4).

use std::io;

use super::Greeting;
use super::dialogue::{Dialogue, MAX_LINES, answered, refused};
use crate::util::units;

pub(super) async fn speak(dialogue: &mut Dialogue<'_>, name: &str) -> io::Result<Greeting> {
    let name = html_escape::encode_double_quoted_attribute(name);
    let opening = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' to=\"{name}\" version='1.0'>"
    );
    dialogue.say(&opening).await?;
    let mut offered = false;
    for count in 0.. {
        let tag = tag(dialogue).await?;
        match local_name(&tag) {
            "starttls" => offered = true,
            "/features" => break,
            // The server offers no features.
            "features" if tag.ends_with("/>") => break,
            "error" => return Err(stream_error(dialogue, &tag).await),
            _ if count == 0 && !tag.starts_with('<') => {
                return Err(refused("the server's answer is not XML"));
            }
            _ if count == MAX_LINES => return Err(refused("the server's reply is too long")),
            _ => {}
        }
    }
    if !offered {
        return Err(refused("the server does not offer STARTTLS"));
    }
    dialogue.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    let answer = tag(dialogue).await?;
    match local_name(&answer) {
        "proceed" => Ok(None),
        "failure" => Err(refused("the server refuses STARTTLS (<failure/>)")),
        "error" => Err(stream_error(dialogue, &answer).await),
        _ => Err(answered(&answer)),
    }
}

/// Error with the condition inside the element (RFC 6120, section 4.9.3).
async fn stream_error(dialogue: &mut Dialogue<'_>, error: &str) -> io::Error {
    match tag(dialogue).await {
        Ok(condition) if !condition.starts_with("</") => {
            let name = local_name(&condition);
            refused(format!("the server answered with the stream error {name}"))
        }
        _ => answered(error),
    }
}

/// Name of a tag without its prefix, which the sender may choose (XML namespaces); an end tag begins with a slash.
fn local_name(tag: &str) -> &str {
    let inside = tag.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/');
    let name = inside.split(char::is_whitespace).next().unwrap_or_default();
    let local = name.trim_start_matches('/').rsplit(':').next().unwrap_or_default();
    match (name.starts_with('/'), local) {
        (true, "features") => "/features",
        (true, _) => "",
        (false, local) => local,
    }
}

/// Next tag up to its end; text before it is skipped.
async fn tag(dialogue: &mut Dialogue<'_>) -> io::Result<String> {
    let text = dialogue.text_to(b">").await?;
    let text = units::printable(&text);
    Ok(text.rfind('<').map_or_else(String::new, |at| text[at..].to_owned()))
}
