//! `perf soak`.
use crate::error::Error;
/// Options.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
}
pub(crate) fn command(_options: &Options) -> Result<(), Error> {
    Ok(())
}
