//! How much memory there is for this process, and whose it is.
//!
//! In a container of 512 MB on a machine of 64 GB it is 512 MB, which the control groups of the process say, in either of their
//! versions; under `ulimit -v` it is half of what that says.
//!
//! Invariants: the least of all limits that are known.
//!
//! Does not: say how much of it is free.

use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Who runs this process: what the environment says, else the name of the process's user, else the user's number; empty where nothing
/// says it.
pub fn user_name() -> Arc<str> {
    static NAME: OnceLock<Arc<str>> = OnceLock::new();
    let name = NAME.get_or_init(|| {
        let said = ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok());
        let said = said.map(|name| name.trim().to_string()).find(|name| !name.is_empty());
        said.or_else(|| user_of(&|path| std::fs::read_to_string(path).ok()))
            .unwrap_or_default()
            .into()
    });
    Arc::clone(name)
}

/// The name of the process's user.
fn user_of(read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let status = read("/proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // Real, effective, saved.
    let id = ids.split_whitespace().nth(1)?.to_string();
    let users = read("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == id).then(|| name.to_string())
    });
    Some(named.unwrap_or(id))
}

/// Bytes; `None` where the system does not say.
pub fn memory_bytes() -> Option<usize> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    least(&read)
}

fn least(read: &dyn Fn(&Path) -> Option<String>) -> Option<usize> {
    let file = |path: &str| read(Path::new(path));
    let machine = file("/proc/meminfo").and_then(|text| of_machine(&text));
    let process = file("/proc/self/limits").and_then(|text| of_process(&text));
    let groups = file("/proc/self/cgroup").and_then(|text| of_groups(&text, read));
    [machine, process, groups].into_iter().flatten().min()
}

/// `MemTotal:       24576000 kB`.
fn of_machine(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// `Max address space         4294967296           unlimited            bytes`.
fn of_process(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    // Addresses are taken ahead of memory, so half of them has to do.
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? / 2)
}

/// `0::/a/b`, whose limits and those of `/a` and `/` count; `5:memory:/a/b` in the first version.
fn of_groups(groups: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<usize> {
    let limits = groups.lines().filter_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = Path::new(group.trim_start_matches('/'));
        // A container sees its own group as the root, whatever the path says.
        let limits = group.ancestors().chain([Path::new("")]).filter_map(|group| {
            let text = read(&Path::new(root).join(group).join(name))?;
            text.trim().parse::<usize>().ok()
        });
        limits.min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Option<usize> {
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        least(&read)
    }

    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\n");

    #[test]
    fn the_least_limit_counts() {
        let limits = |bytes: &str| format!("Limit  Soft  Hard  Units\nMax address space  {bytes}  unlimited  bytes\n");
        assert_eq!(of(&[MACHINE]), Some(1_024_000));
        assert_eq!(
            of(&[MACHINE, ("/proc/self/limits", &limits("unlimited"))]),
            Some(1_024_000)
        );
        assert_eq!(of(&[MACHINE, ("/proc/self/limits", &limits("5000"))]), Some(2_500));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn groups_count_with_those_around_them() {
        let group = ("/proc/self/cgroup", "0::/a/b\n");
        let inner = ("/sys/fs/cgroup/a/b/memory.max", "max\n");
        let outer = ("/sys/fs/cgroup/a/memory.max", "4000\n");
        assert_eq!(of(&[MACHINE, group, inner]), Some(1_024_000));
        assert_eq!(of(&[MACHINE, group, inner, outer]), Some(4_000));
        let root = ("/sys/fs/cgroup/memory.max", "3000\n");
        assert_eq!(of(&[MACHINE, group, inner, outer, root]), Some(3_000));
        let first = ("/proc/self/cgroup", "5:cpu,memory:/a\n4:pids:/a\n");
        let limit = ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000\n");
        assert_eq!(of(&[MACHINE, first, limit]), Some(2_000));
    }
}
