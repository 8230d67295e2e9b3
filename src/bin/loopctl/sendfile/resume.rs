//! The two lines that a sink with `--resume` says: what it has, and what it has stored in the end.

use std::io;

use loopctl::StreamReader;

use super::fault::Fault;
use crate::checksum::Sum;

/// What the sink stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) size: u64,
    /// As `sha256:HEX`, if it knows it.
    pub(super) sum: Option<String>,
}

/// How much the sink has.
pub(super) async fn offer(reader: &mut StreamReader) -> Result<u64, Fault> {
    let line = line(reader).await?;
    match words(&line)[..] {
        ["loopctl-sink", "1", size] => size.parse().map_err(|_| strange(&line)),
        _ => Err(strange(&line)),
    }
}

/// What the sink has stored.
pub(super) async fn receipt(reader: &mut StreamReader) -> Result<Receipt, Fault> {
    let line = line(reader).await?;
    let ["loopctl-sink", "1", size, sum] = words(&line)[..] else { return Err(strange(&line)) };
    let size = size.parse().map_err(|_| strange(&line))?;
    Ok(Receipt { size, sum: Some(sum.to_owned()).filter(|sum| sum != "-") })
}

impl Receipt {
    /// Whether the sink has what is here.
    pub(super) fn check(&self, size: u64, sum: Option<&Sum>) -> Result<(), Fault> {
        if self.size != size {
            return Err(Fault::Differs(format!("it has {} bytes there, {size} here", self.size)));
        }
        let (Some(theirs), Some(ours)) = (&self.sum, sum) else { return Ok(()) };
        let ours = format!("{}:{}", ours.algorithm.name(), ours.hex);
        let same_kind = theirs.split(':').next() == ours.split(':').next();
        if same_kind && *theirs != ours {
            return Err(Fault::Differs(format!("its checksum is {theirs} there, {ours} here")));
        }
        Ok(())
    }
}

async fn line(reader: &mut StreamReader) -> Result<String, Fault> {
    let line = reader.read_line().await.map_err(|error| Fault::Receive(io::Error::other(error)))?;
    if line.last() != Some(&b'\n') {
        let text = "it closed the connection instead of telling how much it has";
        return Err(Fault::Receive(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn strange(line: &str) -> Fault {
    let shown: String = line.chars().take(60).flat_map(char::escape_debug).collect();
    Fault::Receive(io::Error::new(io::ErrorKind::InvalidData, format!("it said `{shown}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Algorithm;

    #[test]
    fn receipts_are_compared_where_they_can_be() {
        let receipt = |size, sum: &str| Receipt { size, sum: Some(sum.to_owned()) };
        let ours = Sum { algorithm: Algorithm::Sha256, hex: "ab".to_owned() };
        assert!(receipt(5, "sha256:ab").check(5, Some(&ours)).is_ok());
        assert!(receipt(5, "sha256:ab").check(5, None).is_ok());
        assert!(receipt(5, "blake3:cd").check(5, Some(&ours)).is_ok(), "of another kind");
        assert!(matches!(receipt(5, "sha256:cd").check(5, Some(&ours)), Err(Fault::Differs(_))));
        assert!(matches!(receipt(4, "sha256:ab").check(5, Some(&ours)), Err(Fault::Differs(_))));
    }
}
