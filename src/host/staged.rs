//! Files that are written whole: under a temporary name beside their target, renamed when they are complete.
//!
//! `stage("out.csv")` writes `.out.csv.1f2e….tmp` and renames that on publish; `stage("/dev/stdout")` writes straight there.
//!
//! Invariants: where the target is a link, the file that it leads to is replaced, not the link; a file that is replaced hands its
//! mode on; what is no file (a device, a pipe) is never replaced.
//!
//! Does not: keep owners or other names of a replaced file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Random, RealRandom, Staged};

/// Links followed before they are taken for a circle; as many as Linux follows.
const MOST_LINKS: usize = 40;

/// Starts to write a file.
pub(super) fn stage(target: &Path) -> io::Result<Box<dyn Staged>> {
    let (target, mode) = match destination(target)? {
        Destination::Stream(file) => return Ok(Box::new(Stream(buffered(file)))),
        Destination::File(target, mode) => (target, mode),
    };
    let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let token = RealRandom.next_u64();
    let temp = target.with_file_name(format!(".{}.{token:016x}.tmp", name.to_string_lossy()));
    let file = File::create_new(&temp)?;
    let staged = RealStaged {
        file: buffered(file),
        temp,
        target,
        published: false,
    };
    if let Some(mode) = mode {
        staged.file.get_ref().set_permissions(mode)?;
    }
    Ok(Box::new(staged))
}

fn buffered(file: File) -> io::BufWriter<File> {
    io::BufWriter::with_capacity(1 << 16, file)
}

/// Where bytes for a target go.
enum Destination {
    /// To a file, which has this mode if it exists.
    File(PathBuf, Option<Permissions>),
    /// Into what was opened.
    Stream(File),
}

fn destination(target: &Path) -> io::Result<Destination> {
    let mut at = target.to_path_buf();
    for _ in 0..MOST_LINKS {
        let meta = match fs::symlink_metadata(&at) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Destination::File(at, None)),
            Err(error) => return Err(error),
        };
        if meta.is_symlink() {
            // `/dev/stdout` leads to what is open, even where that is a file: others go on writing there.
            if at.starts_with("/dev") || at.starts_with("/proc") {
                return OpenOptions::new().append(true).open(target).map(Destination::Stream);
            }
            let link = fs::read_link(&at)?;
            at = at.parent().unwrap_or(Path::new("")).join(link);
            continue;
        }
        if meta.is_file() || meta.is_dir() {
            return Ok(Destination::File(
                at,
                Some(meta.permissions()).filter(|_| meta.is_file()),
            ));
        }
        return OpenOptions::new().write(true).open(&at).map(Destination::Stream);
    }
    Err(io::Error::other("too many links"))
}

/// A file that gets its name when it is complete.
struct RealStaged {
    file: io::BufWriter<File>,
    temp: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Write for RealStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for RealStaged {
    fn publish(mut self: Box<Self>) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.temp, &self.target)?;
        self.published = true;
        let folder = self.target.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for RealStaged {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a temporary file that cannot be removed; its name says what it is.
            let _ = fs::remove_file(&self.temp);
        }
    }
}

/// A device or pipe.
struct Stream(io::BufWriter<File>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Staged for Stream {
    fn publish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(target: &Path, text: &str) {
        let mut staged = stage(target).unwrap();
        staged.write_all(text.as_bytes()).unwrap();
        staged.publish().unwrap();
    }

    #[test]
    fn links_are_followed_and_modes_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::set_permissions(at("file"), Permissions::from_mode(0o640)).unwrap();
        fs::create_dir(at("sub")).unwrap();
        symlink("../file", at("sub/link")).unwrap();
        symlink("sub/link", at("far")).unwrap();
        write(&at("far"), "new");
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "new");
        assert_eq!(fs::metadata(at("file")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(at("far")).unwrap().is_symlink());
        assert!(fs::symlink_metadata(at("sub/link")).unwrap().is_symlink());

        symlink("nothing yet", at("dangling")).unwrap();
        write(&at("dangling"), "made");
        assert_eq!(fs::read_to_string(at("nothing yet")).unwrap(), "made");

        symlink("circle", at("circle")).unwrap();
        assert!(stage(&at("circle")).is_err());
    }

    #[test]
    fn a_device_stays_one() {
        write(Path::new("/dev/null"), "gone");
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
