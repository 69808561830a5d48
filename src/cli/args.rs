//! What can be typed, as clap reads it.
//!
//! `gobi -d data --format csv run report.sql` is `Globals { folder: data, format: Csv, … }` and `Command::Run`.
//!
//! Invariants: every command's help ends with an example that works.
//!
//! Does not: look at the terminal or the environment; see [`super::meaning`].

mod history;
mod routines;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use gobi_grammar::Dialect;

use crate::client::{JitMode, settings};
pub use history::{
    Branch, BranchCommand, Diff, Gc, ProveCommand, Snapshot, SnapshotCommand, Timeline, TimelineCommand, Using, Verify,
    VerifyProof,
};
pub use routines::{Routines, RoutinesCommand};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "gobi",
    version,
    about = "An embedded lakehouse with a compiling query engine",
    long_about = "An embedded lakehouse with a compiling query engine: SQL and PL-GRIZZLY over Parquet, CSV, JSON, Arrow and ORC \
                  files, run as native code. Without a command: the interactive prompt.",
    after_help = "Examples:\n  gobi -c \"SELECT 1 + 1 AS two\"\n  gobi -d data -c \"SELECT count(*) FROM lineitem\"\n  gobi demo"
)]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,

    /// When queries run as machine code.
    #[command(flatten)]
    pub jit: Jit,

    /// Run a script given as text; may be repeated
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub scripts: Vec<OsString>,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, ClapArgs)]
pub struct Globals {
    /// A database, made at the first write; or a folder whose data files are tables: lineitem.parquet is lineitem
    #[arg(short = 'd', long = "data", value_name = "DIR", global = true)]
    pub folder: Option<PathBuf>,

    /// How results are printed [default: box on a terminal, else table]
    #[arg(long, value_enum, global = true)]
    pub format: Option<Format>,

    /// Workers of one query, or auto for every core [default: auto]
    #[arg(long, value_name = "N", value_parser = threads, global = true)]
    pub threads: Option<usize>,

    /// Memory that one query may hold, such as 256MB
    #[arg(long, value_name = "SIZE", value_parser = size, global = true)]
    pub memory_limit: Option<usize>,

    /// How scripts are read: grizzly, ansi [default: grizzly]
    #[arg(long, value_name = "NAME", value_parser = dialect, global = true)]
    pub dialect: Option<Dialect>,

    /// Colours: on a terminal, always, never
    #[arg(long, value_enum, default_value_t, global = true)]
    pub color: Color,
}

/// `--jit MODE`, which every command takes but explain, where `--jit` alone asks for the code.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub struct Jit {
    /// When queries run as machine code: auto, on, off [default: auto]
    #[arg(id = "jit_mode", long = "jit", value_name = "MODE", value_parser = jit)]
    pub mode: Option<JitMode>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns between plain lines
    Table,
    /// Columns in a drawn box, with their types
    Box,
    /// Comma-separated, with a header; NULL is an empty field
    Csv,
    /// Tab-separated, otherwise as csv
    Tsv,
    /// One array of objects
    Json,
    /// One object per line
    Jsonl,
    /// A Markdown table
    Markdown,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
    /// Lines for people (explain)
    Text,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scripts from files
    #[command(after_help = "Example:\n  gobi -d data run report.sql")]
    Run(Run),
    /// Read statements from the prompt; --format json without a terminal is a line protocol
    #[command(after_help = "Examples:\n  gobi repl\n  echo '{\"sql\": \"SELECT 1\"}' | gobi repl --format json")]
    Repl(Repl),
    /// Show how a query runs: its pipelines, and with --jit its machine code
    #[command(after_help = "Example:\n  gobi explain --jit --analyze \"SELECT sum(value) FROM [1, 2, 3]\"")]
    Explain(Explain),
    /// Time every query of a folder and print JSON
    #[command(after_help = "Example:\n  gobi -d data bench --queries queries --runs 5")]
    Bench(Bench),
    /// Make an empty database
    #[command(after_help = "Example:\n  gobi init shop")]
    Init(Init),
    /// Copy files into tables, which are made if they are not there
    #[command(after_help = "Example:\n  gobi -d shop import orders.csv customers.parquet")]
    Import(Import),
    /// Copy a table into a file
    #[command(after_help = "Example:\n  gobi -d shop export orders orders.parquet")]
    Export(Export),
    /// Print the statements that make the tables and views again
    #[command(after_help = "Example:\n  gobi -d shop schema orders")]
    Schema(Schema),
    /// List tables, or show one
    #[command(after_help = "Examples:\n  gobi -d shop table list\n  gobi -d shop table show orders")]
    Table(Table),
    /// Put small segments of a table together, or of all tables, and show what that changed
    #[command(after_help = "Example:\n  gobi -d db compact orders")]
    Compact(Compact),
    /// Show or empty what is kept to make a second run faster
    #[command(after_help = "Examples:\n  gobi -d db cache stats\n  gobi cache clear")]
    Cache(Cache),
    /// What was committed, and proofs of it
    #[command(
        after_help = "Examples:\n  gobi -d shop timeline log\n  gobi -d shop timeline prove row orders \"id = 7\""
    )]
    Timeline(Timeline),
    /// Read a database or a packed file again, and check it against its hashes; exit code 1 if something is damaged
    #[command(after_help = "Examples:\n  gobi verify shop\n  gobi verify --deep x.gobi")]
    Verify(Verify),
    /// Check a proof without the database; exit code 1 if it does not hold
    #[command(
        name = "verify-proof",
        after_help = "Example:\n  gobi verify-proof proof.json --root \"$(gobi -d shop timeline root)\""
    )]
    VerifyProof(VerifyProof),
    /// Name commits for good
    #[command(after_help = "Example:\n  gobi -d shop snapshot create monday")]
    Snapshot(Snapshot),
    /// Begin, list, merge and drop branches
    #[command(after_help = "Example:\n  gobi -d shop branch create trial")]
    Branch(Branch),
    /// Show what differs between two commits
    #[command(after_help = "Example:\n  gobi -d shop diff monday main orders")]
    Diff(Diff),
    /// Give up old history, and the space that only it needed
    #[command(after_help = "Example:\n  gobi -d shop gc --keep 30d --dry-run")]
    Gc(Gc),
    /// Pack a database into one file, which can be read in place: gobi -d x.gobi
    #[command(after_help = "Example:\n  gobi pack db x.gobi")]
    Pack(Pack),
    /// Make a folder of a packed database again
    #[command(after_help = "Example:\n  gobi unpack x.gobi db")]
    Unpack(Unpack),
    /// Pack a database while others write to it; the same as pack
    #[command(after_help = "Example:\n  gobi backup db monday.gobi")]
    Backup(Pack),
    /// Make a folder of a backup; the same as unpack
    #[command(after_help = "Example:\n  gobi restore monday.gobi db")]
    Restore(Unpack),
    /// List, show, run and compare procedures
    #[command(
        after_help = "Examples:\n  gobi -d shop procedures list\n  gobi -d shop procedures run add \"'apple'\" 3"
    )]
    Procedures(Routines),
    /// List, show, run and compare functions
    #[command(after_help = "Examples:\n  gobi -d shop functions list\n  gobi -d shop functions show vat")]
    Functions(Routines),
    /// Find all errors of scripts without running them; exit code 1 if there is one
    #[command(after_help = "Examples:\n  gobi -d shop check report.sql\n  echo 'select 1' | gobi check -")]
    Check(Check),
    /// Run the TEST blocks of scripts on a branch that is thrown away; exit code 1 if one fails
    #[command(after_help = "Example:\n  gobi -d shop test prices.grz")]
    Test(Test),
    /// Rewrite scripts in one style; what comes by standard input is printed
    #[command(after_help = "Examples:\n  gobi fmt report.sql\n  echo 'select 1' | gobi fmt -")]
    Fmt(Fmt),
    /// Print a script that completes gobi's arguments in a shell
    #[command(after_help = "Example:\n  gobi completions bash > ~/.local/share/bash-completion/completions/gobi")]
    Completions(Completions),
    /// Make TPC-H data in a temporary folder and run four queries over it
    #[command(after_help = "Example:\n  gobi demo --scale 0.1")]
    Demo(Demo),
}

impl Command {
    /// The command's own `--jit MODE`.
    pub fn jit(&self) -> Option<JitMode> {
        match self {
            Command::Run(run) => run.jit.mode,
            Command::Repl(repl) => repl.jit.mode,
            Command::Bench(bench) => bench.jit.mode,
            Command::Demo(demo) => demo.jit.mode,
            Command::Explain(_) | Command::Fmt(_) | Command::Completions(_) => None,
            Command::Check(_) | Command::Test(_) | Command::Procedures(_) | Command::Functions(_) => None,
            Command::Init(_) | Command::Import(_) | Command::Export(_) | Command::Schema(_) | Command::Table(_) => None,
            Command::Compact(_) | Command::Cache(_) => None,
            Command::Pack(_) | Command::Unpack(_) | Command::Backup(_) | Command::Restore(_) => None,
            Command::Timeline(_) | Command::Verify(_) | Command::VerifyProof(_) | Command::Snapshot(_) => None,
            Command::Branch(_) | Command::Diff(_) | Command::Gc(_) => None,
        }
    }
}

/// `gobi repl`.
#[derive(Debug, ClapArgs)]
pub struct Repl {
    /// When queries run as machine code.
    #[command(flatten)]
    pub jit: Jit,
}

/// `gobi run`.
#[derive(Debug, ClapArgs)]
pub struct Run {
    /// When queries run as machine code.
    #[command(flatten)]
    pub jit: Jit,
    /// Script files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `gobi init`.
#[derive(Debug, ClapArgs)]
pub struct Init {
    /// A folder that is empty, or not there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `gobi import`.
#[derive(Debug, ClapArgs)]
pub struct Import {
    /// Parquet, CSV, JSON, Arrow or ORC files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The table; else the name of each file is one
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
}

/// `gobi export`.
#[derive(Debug, ClapArgs)]
pub struct Export {
    /// The table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Its extension tells the format
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `gobi schema`.
#[derive(Debug, ClapArgs)]
pub struct Schema {
    /// Only this table or view
    #[arg(value_name = "TABLE")]
    pub table: Option<String>,
}

/// `gobi table`.
#[derive(Debug, ClapArgs)]
pub struct Table {
    /// What of tables.
    #[command(subcommand)]
    pub command: TableCommand,
}

/// `gobi table …`.
#[derive(Debug, Subcommand)]
pub enum TableCommand {
    /// All tables and views, with rows and bytes
    #[command(after_help = "Example:\n  gobi -d shop table list")]
    List,
    /// Columns, keys and indexes of a table
    #[command(after_help = "Example:\n  gobi -d shop table show orders")]
    Show {
        /// Which
        #[arg(value_name = "TABLE")]
        table: String,
    },
}

/// `gobi explain`.
#[derive(Debug, ClapArgs)]
pub struct Explain {
    /// Show the IR, Cranelift's IR and the machine code of each pipeline
    #[arg(id = "show_code", long = "jit")]
    pub jit: bool,
    /// Run the query; show rows and time of each operator
    #[arg(long)]
    pub analyze: bool,
    /// Read the query from a file
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "sql")]
    pub file: Option<PathBuf>,
    /// The query
    #[arg(value_name = "SQL", required_unless_present = "file")]
    pub sql: Option<OsString>,
}

/// `gobi bench`.
#[derive(Debug, ClapArgs)]
pub struct Bench {
    /// When queries run as machine code.
    #[command(flatten)]
    pub jit: Jit,
    /// A folder of .sql files, each one query
    #[arg(long, value_name = "DIR")]
    pub queries: PathBuf,
    /// A script that runs first
    #[arg(long, value_name = "FILE")]
    pub setup: Option<PathBuf>,
    /// Timed runs of each query
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Runs before the timed ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub warmup: u32,
    /// Drop decoded data and compiled code before each run
    #[arg(long)]
    pub cold: bool,
    /// Write each answer as DIR/<query>.csv
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Only these queries, by name
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
}

/// `gobi fmt`.
#[derive(Debug, ClapArgs)]
pub struct Fmt {
    /// Change nothing; fail if something would change
    #[arg(long)]
    pub check: bool,
    /// Script files, rewritten in place; `-` formats standard input to standard output
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `gobi check`.
#[derive(Debug, ClapArgs)]
pub struct Check {
    /// Script files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `gobi test`.
#[derive(Debug, ClapArgs)]
pub struct Test {
    /// Script files with tests
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `gobi compact`.
#[derive(Debug, ClapArgs)]
pub struct Compact {
    /// The table [default: all]
    pub table: Option<String>,
}

/// `gobi cache`.
#[derive(Debug, ClapArgs)]
pub struct Cache {
    /// What is done
    #[command(subcommand)]
    pub task: CacheTask,
}

/// What `gobi cache` does.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum CacheTask {
    /// Print what is held, and how often it was found
    Stats,
    /// Empty them
    Clear,
}

/// `gobi pack` and `gobi backup`.
#[derive(Debug, ClapArgs)]
pub struct Pack {
    /// The database
    #[arg(value_name = "DIR")]
    pub from: PathBuf,
    /// The file, which must not exist
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `gobi unpack` and `gobi restore`.
#[derive(Debug, ClapArgs)]
pub struct Unpack {
    /// The packed database
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder, which must be missing or empty
    #[arg(value_name = "DIR")]
    pub into: PathBuf,
}

/// `gobi completions`.
#[derive(Debug, ClapArgs)]
pub struct Completions {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// `gobi demo`.
#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// When queries run as machine code.
    #[command(flatten)]
    pub jit: Jit,
    /// TPC-H scale factor
    #[arg(long, value_name = "SF", default_value_t = 0.1)]
    pub scale: f64,
}

fn threads(text: &str) -> Result<usize, String> {
    settings::parse_threads(text).ok_or_else(|| wants("threads"))
}

fn size(text: &str) -> Result<usize, String> {
    settings::parse_size(text).ok_or_else(|| wants("memory_limit"))
}

fn jit(text: &str) -> Result<JitMode, String> {
    settings::parse_jit(text).ok_or_else(|| wants("jit"))
}

fn dialect(text: &str) -> Result<Dialect, String> {
    settings::parse_dialect(text).ok_or_else(|| wants("dialect"))
}

/// What a setting takes, from its one table.
fn wants(setting: &str) -> String {
    let values = settings::find(setting).map_or("another value", |setting| setting.values);
    format!("it takes {values}")
}
