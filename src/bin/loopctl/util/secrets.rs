//! Secrets in URLs, which are not printed.

/// Text without the passwords of the URLs in it, and without the values of parameters that name secrets.
///
/// A password may contain any character of a URL, so that everything up to the last `@` of a word counts.
pub(crate) fn without_passwords(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "`'\"".contains(c);
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        let (url, following) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        masked += before;
        masked += &masked_query(&match url.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((name, _)) => format!("{name}:***@{host}"),
                None => format!("***@{host}"),
            },
            None => url.to_owned(),
        });
        rest = following;
    }
    masked + rest
}

/// Path and query, with the values of parameters that name secrets masked.
pub(crate) fn masked_query(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if names_secret(key) => format!("{key}=***"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn names_secret(key: &str) -> bool {
    const SECRETS: [&str; 9] =
        ["pass", "pwd", "secret", "token", "key", "sig", "auth", "cred", "session"];
    let key = key.to_ascii_lowercase();
    SECRETS.iter().any(|secret| key.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_messages_are_masked() {
        for (text, masked) in [
            (
                "see `amqp://u:s3/c@ret@h:1/x` and 'http://a:s3cret@b'",
                "see `amqp://u:***@h:1/x` and 'http://a:***@b'",
            ),
            ("pg://u@h?sslpassword=s3cret&x=y", "pg://***@h?sslpassword=***&x=y"),
            ("see https://h/ and a@b", "see https://h/ and a@b"),
        ] {
            assert_eq!(without_passwords(text), masked);
        }
    }
}
