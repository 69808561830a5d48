//! `gobi procedures` and `gobi functions`, as clap reads them.
//!
//! `gobi -d shop procedures run add "'apple'" 3` is [`RoutinesCommand::Run`] with two arguments.
//!
//! Does not: read the arguments of a call; they are expressions of the language.

use clap::{Args as ClapArgs, Subcommand};

/// `gobi procedures`, `gobi functions`.
#[derive(Debug, ClapArgs)]
pub struct Routines {
    /// What of them.
    #[command(subcommand)]
    pub command: RoutinesCommand,
}

/// `gobi procedures …`.
#[derive(Debug, Subcommand)]
pub enum RoutinesCommand {
    /// All of them, with their signatures and versions
    #[command(after_help = "Example:\n  gobi -d shop procedures list")]
    List,
    /// The text of one
    #[command(after_help = "Example:\n  gobi -d shop procedures show add")]
    Show {
        /// Which
        name: String,
    },
    /// Call one, and show what it gives
    #[command(after_help = "Example:\n  gobi -d shop procedures run add \"'apple'\" \"n: 3\"")]
    Run {
        /// Which
        name: String,
        /// Its arguments, as they are written in a script
        #[arg(value_name = "ARG", allow_negative_numbers = true)]
        args: Vec<String>,
    },
    /// Run one, and show where its time goes, line by line
    #[command(after_help = "Example:\n  gobi -d shop procedures profile add \"'apple'\" 3")]
    Profile {
        /// Which
        name: String,
        /// Arguments, as expressions
        #[arg(value_name = "ARG", allow_negative_numbers = true)]
        args: Vec<String>,
    },
    /// What the last change of one took away and added, or what differs between two times
    #[command(after_help = "Example:\n  gobi -d shop procedures diff add --from \"TAG 'q1'\"")]
    Diff {
        /// Which
        name: String,
        /// The earlier time, as in AS OF
        #[arg(long, value_name = "WHEN")]
        from: Option<String>,
        /// The later time [default: now]
        #[arg(long, value_name = "WHEN", requires = "from")]
        to: Option<String>,
    },
}
