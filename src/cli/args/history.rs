//! What can be typed about history: `timeline`, `verify`, `verify-proof`, `snapshot`, `branch`, `diff`, `gc`.
//!
//! `gobi -d shop timeline prove row orders "id = 7"` is `TimelineCommand::Prove(ProveCommand::Row { … })`.
//!
//! Invariants: every command's help ends with an example that works.
//!
//! Does not: know what a commit is.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

/// `gobi timeline`.
#[derive(Debug, ClapArgs)]
pub struct Timeline {
    /// What of it.
    #[command(subcommand)]
    pub command: TimelineCommand,
}

/// `gobi timeline …`.
#[derive(Debug, Subcommand)]
pub enum TimelineCommand {
    /// List commits, newest first
    #[command(after_help = "Example:\n  gobi -d shop timeline log orders --limit 10")]
    Log {
        /// Only those that changed this table
        #[arg(value_name = "TABLE")]
        table: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Of this branch [default: main]
        #[arg(long, value_name = "NAME")]
        branch: Option<String>,
    },
    /// Show the record of a commit, and what it changed
    #[command(after_help = "Example:\n  gobi -d shop timeline show main")]
    Show {
        /// A branch, a snapshot, the beginning of a commit's hash, or a time
        #[arg(value_name = "COMMIT")]
        commit: String,
    },
    /// Print the root of the log: the 32 bytes that proofs are checked against
    #[command(after_help = "Example:\n  gobi -d shop timeline root")]
    Root,
    /// Read everything again, and check it against its hashes; the same as verify --deep
    #[command(after_help = "Example:\n  gobi -d shop timeline verify")]
    Verify,
    /// Print a proof as JSON
    #[command(after_help = "Example:\n  gobi -d shop timeline prove row orders \"id = 7\" > proof.json")]
    Prove(Prove),
}

/// `gobi timeline prove`.
#[derive(Debug, ClapArgs)]
pub struct Prove {
    /// What is proved.
    #[command(subcommand)]
    pub command: ProveCommand,
}

/// `gobi timeline prove …`.
#[derive(Debug, Subcommand)]
pub enum ProveCommand {
    /// That a commit is in the log
    #[command(after_help = "Example:\n  gobi -d shop timeline prove commit main")]
    Commit {
        /// A branch, a snapshot, the beginning of a commit's hash, or a time
        #[arg(value_name = "COMMIT")]
        commit: String,
    },
    /// That the log begins with what it was when it had so many commits
    #[command(after_help = "Example:\n  gobi -d shop timeline prove growth 3")]
    Growth {
        /// Commits
        #[arg(value_name = "N")]
        size: u64,
    },
    /// That a row with a key is in a table, or that none is
    #[command(after_help = "Example:\n  gobi -d shop timeline prove row orders \"id = 7\"")]
    Row {
        /// The table, which has a primary key
        #[arg(value_name = "TABLE")]
        table: String,
        /// A value for each column of the key
        #[arg(value_name = "CONDITION")]
        condition: String,
        /// As of this commit [default: the last one]
        #[arg(long, value_name = "COMMIT")]
        at: Option<String>,
    },
}

/// `gobi verify`.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    /// Read every part of every file too
    #[arg(long)]
    pub deep: bool,
    /// A database or a packed file [default: the one of -d]
    #[arg(value_name = "DIR|FILE")]
    pub path: Option<PathBuf>,
}

/// `gobi verify-proof`.
#[derive(Debug, ClapArgs)]
pub struct VerifyProof {
    /// The proof; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The root of the log, as somebody trustworthy has told it
    #[arg(long, value_name = "HEX")]
    pub root: String,
}

/// `gobi snapshot`.
#[derive(Debug, ClapArgs)]
pub struct Snapshot {
    /// What of snapshots.
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// `gobi snapshot …`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// All of them, with their commits
    #[command(after_help = "Example:\n  gobi -d shop snapshot list")]
    List,
    /// Name the last commit, or an earlier one
    #[command(after_help = "Example:\n  gobi -d shop snapshot create monday --at '2 days ago'")]
    Create {
        /// Its name
        name: String,
        /// A branch, a snapshot, the beginning of a commit's hash, or a time [default: the last commit]
        #[arg(long, value_name = "COMMIT")]
        at: Option<String>,
    },
    /// Give a name up
    #[command(after_help = "Example:\n  gobi -d shop snapshot drop monday")]
    Drop {
        /// Which
        name: String,
    },
}

/// `gobi branch`.
#[derive(Debug, ClapArgs)]
pub struct Branch {
    /// What of branches.
    #[command(subcommand)]
    pub command: BranchCommand,
}

/// `gobi branch …`.
#[derive(Debug, Subcommand)]
pub enum BranchCommand {
    /// All of them, with their commits
    #[command(after_help = "Example:\n  gobi -d shop branch list")]
    List,
    /// Begin one
    #[command(after_help = "Example:\n  gobi -d shop branch create trial --from monday")]
    Create {
        /// Its name
        name: String,
        /// Where it begins [default: the last commit]
        #[arg(long, value_name = "COMMIT")]
        from: Option<String>,
    },
    /// Give one up
    #[command(after_help = "Example:\n  gobi -d shop branch drop trial")]
    Drop {
        /// Which
        name: String,
        /// Together with commits that no other branch and no snapshot leads to
        #[arg(long)]
        cascade: bool,
    },
    /// Do on one branch what was done on another; exit code 1 and the conflicts if there are some
    #[command(after_help = "Example:\n  gobi -d shop branch merge trial")]
    Merge {
        /// The branch that is merged
        name: String,
        /// The branch that it is merged into
        #[arg(long, value_name = "NAME", default_value = "main")]
        into: String,
        /// Whose rows are taken where both branches changed them
        #[arg(long, value_enum)]
        using: Option<Using>,
    },
}

/// Whose rows a merge takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Using {
    /// Those of the branch that is merged into
    Ours,
    /// Those of the branch that is merged
    Theirs,
}

/// `gobi diff`.
#[derive(Debug, ClapArgs)]
pub struct Diff {
    /// A branch, a snapshot, the beginning of a commit's hash, or a time
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The same
    #[arg(value_name = "TO")]
    pub to: String,
    /// The rows of this table [default: how many rows of each]
    #[arg(value_name = "TABLE")]
    pub table: Option<String>,
}

/// `gobi gc`.
#[derive(Debug, ClapArgs)]
pub struct Gc {
    /// Change nothing; say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// How much history is kept, such as 12h or 7d [default: all of it]
    #[arg(long, value_name = "TIME", value_parser = retention)]
    pub keep: Option<Kept>,
}

/// How much history is kept; none: all of it.
#[derive(Clone, Copy, Debug)]
pub struct Kept(pub Option<u64>);

fn retention(text: &str) -> Result<Kept, String> {
    crate::client::settings::parse_retention(text)
        .map(Kept)
        .ok_or_else(|| super::wants("retention"))
}
