//! The file of `--faults`: one fault a line, and comments after `#`.

use std::path::Path;

use super::fault::FaultArg;
use crate::exit::{Exit, FatalError};
use crate::util::message::{Message, plain};

/// The faults of a file.
///
/// # Errors
/// A file that cannot be read, and lines that are not faults, by their numbers.
pub(crate) fn read(path: &Path) -> Result<Vec<FaultArg>, FatalError> {
    let text = std::fs::read(path).map_err(|error| {
        let error = format!("cannot read faults from `{}`: {}", path.display(), plain(error));
        FatalError::new(Exit::CannotRead, error)
    })?;
    parse(&String::from_utf8_lossy(&text)).map_err(|causes| {
        let error = format!("`{}` has lines that are not faults", path.display());
        FatalError::from(Message { causes, ..Message::error(error) })
    })
}

fn parse(text: &str) -> Result<Vec<FaultArg>, Vec<String>> {
    let (mut faults, mut errors) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let fault = line.split_once('#').map_or(line, |(fault, _)| fault).trim();
        match fault.parse() {
            _ if fault.is_empty() => {}
            Ok(fault) => faults.push(fault),
            Err(error) => errors.push(format!("line {}: {error}", at + 1)),
        }
    }
    if errors.is_empty() { Ok(faults) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_a_line_and_each_wrong_one_by_its_number() {
        let text = "# slow\n\n  delay=1s   # for everybody\nup:reset@10%\n";
        let names = |faults: Vec<FaultArg>| faults.iter().map(FaultArg::name).collect::<Vec<_>>();
        assert_eq!(names(parse(text).unwrap()), ["delay", "up:reset"]);
        let errors = parse("close\nslow\n\nlatency=5\n").unwrap_err();
        assert!(errors[0].starts_with("line 2: there is no such fault"), "{errors:?}");
        assert!(errors[1].starts_with("line 4: `latency` is a toxic"), "{errors:?}");
    }
}
