//! Memory cgroups of this machine, version 1 or 2: reading them, and making one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// A folder of the memory controller.
#[derive(Clone, Debug)]
pub struct Cgroup {
    path: PathBuf,
    is_v2: bool,
}

impl Cgroup {
    /// An existing one.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let is_v2 = path.join("cgroup.controllers").exists();
        ensure!(
            is_v2 || path.join("memory.usage_in_bytes").exists(),
            "{} is no memory cgroup; the path of version 1 has the controller in it, such as /sys/fs/cgroup/memory/…",
            path.display()
        );
        Ok(Self { path, is_v2 })
    }

    /// A new one with a memory limit in bytes, below the root of the memory controller.
    pub fn create(name: &str, limit: u64) -> Result<Self> {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let root = if v1.is_dir() { v1 } else { Path::new("/sys/fs/cgroup") };
        let path = root.join(name);
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the memory cgroup {} (this needs root)", path.display()))?;
        let cgroup = Self::open(&path)?;
        let file = if cgroup.is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(path.join(file), limit.to_string())
            .with_context(|| format!("cannot limit {}", path.display()))?;
        Ok(cgroup)
    }

    /// Removes it; its processes must have ended.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir(&self.path)
    }

    /// The file that a process writes its id to, to be in it.
    pub fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// Bytes in use, without page cache that can be dropped: the working set, as kubelet calculates it.
    pub fn working_set(&self) -> Option<u64> {
        let (usage, inactive) = if self.is_v2 {
            ("memory.current", "inactive_file ")
        } else {
            ("memory.usage_in_bytes", "total_inactive_file ")
        };
        let usage: u64 = self.read(usage)?.trim().parse().ok()?;
        Some(usage.saturating_sub(self.field("memory.stat", inactive)?))
    }

    /// The kernel's own record of the most bytes in use, page cache included.
    pub fn peak(&self) -> Option<u64> {
        let file = if self.is_v2 { "memory.peak" } else { "memory.max_usage_in_bytes" };
        self.read(file)?.trim().parse().ok()
    }

    /// How many processes the kernel killed in it.
    pub fn oom_kills(&self) -> Option<u64> {
        self.field(if self.is_v2 { "memory.events" } else { "memory.oom_control" }, "oom_kill ")
    }

    /// The cgroups directly below.
    pub fn children(&self) -> Vec<Self> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|folder| Self { path: folder.path(), is_v2: self.is_v2 }).collect()
    }

    /// The cgroup of a pod somewhere below, by the pod's uid: kubelet names it with either driver.
    pub fn of_pod(&self, uid: &str) -> Option<Self> {
        let (plain, slice) = (format!("pod{uid}"), format!("pod{}.slice", uid.replace('-', "_")));
        self.children().into_iter().find_map(|child| {
            let name = child.path.file_name()?.to_string_lossy().into_owned();
            if name == plain || name.ends_with(&slice) { Some(child) } else { child.of_pod(uid) }
        })
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    fn field(&self, file: &str, name: &str) -> Option<u64> {
        let text = self.read(file)?;
        text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a cgroup.
    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("gomemlimit-proof-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            fs::write(path.join(file), text).unwrap();
        }
        path
    }

    #[test]
    fn version_1_is_read() {
        let path = folder(
            "v1",
            &[
                ("memory.usage_in_bytes", "5000\n"),
                ("memory.max_usage_in_bytes", "9000\n"),
                ("memory.stat", "inactive_file 7\ntotal_inactive_file 1000\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ],
        );
        let cgroup = Cgroup::open(&path).unwrap();
        assert_eq!(
            (cgroup.working_set(), cgroup.peak(), cgroup.oom_kills()),
            (Some(4000), Some(9000), Some(3))
        );
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn version_2_is_read_and_pods_are_found() {
        let path = folder(
            "v2",
            &[
                ("cgroup.controllers", "memory"),
                ("memory.current", "5000\n"),
                ("memory.peak", "9000\n"),
                ("memory.stat", "anon 1\ninactive_file 1000\n"),
                ("memory.events", "oom 4\noom_kill 3\noom_group_kill 0\n"),
                ("kubepods/burstable/pod1-2/c/memory.current", "1"),
                (
                    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3_4.slice/memory.current",
                    "1",
                ),
            ],
        );
        let cgroup = Cgroup::open(&path).unwrap();
        assert_eq!(
            (cgroup.working_set(), cgroup.peak(), cgroup.oom_kills()),
            (Some(4000), Some(9000), Some(3))
        );
        assert!(cgroup.of_pod("1-2").is_some() && cgroup.of_pod("3-4").is_some());
        assert!(cgroup.of_pod("5-6").is_none() && cgroup.of_pod("2").is_none());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_is_no_cgroup_is_said() {
        let error = Cgroup::open("/proc").unwrap_err().to_string();
        assert!(error.contains("/proc is no memory cgroup"), "{error}");
    }
}
