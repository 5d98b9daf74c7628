//! `countersign man`: the manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};

use super::Failure;

/// `countersign man FOLDER`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where to write the pages (`countersign.1`, `countersign-serve.1`, ...). It is made where it isn't there.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Runs the command. `whole` is the command line the pages are of.
pub fn run(args: &ManArgs, whole: Command) -> Result<ExitCode, Failure> {
    let told = |error: std::io::Error| {
        format!("the pages can't be written to `{}`: {error}; name a folder that can be", args.folder.display())
    };
    std::fs::create_dir_all(&args.folder).map_err(told)?;
    clap_mangen::generate_to(whole, &args.folder).map_err(told)?;
    Ok(ExitCode::SUCCESS)
}
