//! `perf document`: writes the page and its charts from the file of numbers.

mod bars;
mod charts;
mod curves;
pub(crate) mod data;
pub(crate) mod metric;
mod tables;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use data::Benchmarks;

/// Folder of the charts, beside the page.
const CHARTS: &str = "charts";

/// Options of `perf document`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The file that `perf compare` and `perf growth` write.
    #[arg(long, default_value = "docs/benchmarks.json")]
    from: PathBuf,
    /// The page; its charts go into the folder `charts` beside it.
    #[arg(long, default_value = "docs/benchmarks.md")]
    to: PathBuf,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    if !options.from.exists() {
        return Err(Error::Usage(format!("{} does not exist", options.from.display())));
    }
    write(&Benchmarks::read(&options.from)?, &options.to)
}

/// Writes the page and its charts.
pub(crate) fn write(benchmarks: &Benchmarks, page: &Path) -> Result<(), Error> {
    let folder = page.parent().unwrap_or(Path::new("")).join(CHARTS);
    fs::create_dir_all(&folder).map_err(|e| Error::io(folder.display().to_string(), e))?;
    let mut charts = Vec::new();
    for chart in charts::all(benchmarks)? {
        let file = folder.join(chart.file_name());
        fs::write(&file, &chart.svg).map_err(|e| Error::io(file.display().to_string(), e))?;
        charts.push(chart);
    }
    fs::write(page, text::render(benchmarks, &charts))
        .map_err(|e| Error::io(page.display().to_string(), e))?;
    println!("wrote {} and {} charts", page.display(), charts.len());
    Ok(())
}
