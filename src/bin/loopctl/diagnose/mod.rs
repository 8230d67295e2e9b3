//! Explanations: what a report means, as findings, hints and predictions.

pub(crate) mod cause;
pub(crate) mod hint;
pub(crate) mod name;
pub(crate) mod prediction;
pub(crate) mod why;
