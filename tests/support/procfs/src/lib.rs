//! What tests and measurements have in common: the kernel's figures of a process and of the machine (proc(5)), and
//! quantiles.
#![allow(missing_docs, reason = "of tests")]

use std::{fs, io, thread::available_parallelism, time::Duration};

use serde::{Deserialize, Serialize};

/// A process by its id. Everything fails once it is gone.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

/// Processor time that a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// In its own code.
    pub own: Duration,
    /// In the kernel's.
    pub kernel: Duration,
}

impl Cpu {
    #[must_use]
    pub fn all(self) -> Duration {
        self.own + self.kernel
    }
}

impl Process {
    /// Processor time since its start.
    ///
    /// # Errors
    /// If /proc has no such process.
    pub fn cpu(self) -> io::Result<Cpu> {
        let stat = self.stat()?;
        let mut fields = stat.split_whitespace().skip(11);
        let mut time = || {
            let ticks: u64 = fields.next()?.parse().ok()?;
            // USER_HZ is 100 wherever Linux runs today.
            Some(Duration::from_millis(ticks * 10))
        };
        let (own, kernel) = time().zip(time()).ok_or_else(|| unknown("times"))?;
        Ok(Cpu { own, kernel })
    }

    /// `R` while it runs, `S` while it waits, `T` while it is stopped.
    ///
    /// # Errors
    /// If /proc has no such process or field.
    pub fn state(self) -> io::Result<char> {
        self.stat()?.chars().next().ok_or_else(|| unknown("state"))
    }

    /// A number of its status: `VmRSS` and `VmHWM` in KiB, `Threads`.
    ///
    /// # Errors
    /// If /proc has no such process or field.
    pub fn status(self, field: &str) -> io::Result<u64> {
        let status = self.read("status")?;
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| unknown(field))
    }

    /// Number of open file descriptors.
    ///
    /// # Errors
    /// If /proc has no such process, or it is that of another user.
    pub fn file_descriptors(self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0))?.count())
    }

    /// What follows its name, which is in brackets and may hold anything.
    fn stat(self) -> io::Result<String> {
        let stat = self.read("stat")?;
        let (_, fields) = stat.rsplit_once(") ").ok_or_else(|| unknown("name"))?;
        Ok(fields.to_owned())
    }

    fn read(self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.0))
    }
}

fn unknown(what: &str) -> io::Error {
    io::Error::other(format!("the kernel shows no {what} of the process"))
}

/// A machine, in the words of its kernel.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub kernel: String,
}

impl Machine {
    /// The one that this runs on.
    ///
    /// # Errors
    /// If /proc cannot be read.
    pub fn this() -> io::Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            processor: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}

/// The value at the nearest rank, which is one that was seen; nothing where there are none.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank"
)]
pub fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| quantile(&values, share)),
            [Some(1), Some(100), Some(198), Some(200)]
        );
        assert_eq!((quantile(&[7], 0.5), quantile::<u32>(&[], 0.5)), (Some(7), None));
    }

    #[test]
    fn this_process_is_known() {
        let this = Process(std::process::id());
        assert!(this.status("VmHWM").unwrap() >= this.status("VmRSS").unwrap() / 2);
        assert!(this.status("Threads").unwrap() >= 1 && this.file_descriptors().unwrap() >= 3);
        assert!("RS".contains(this.state().unwrap()));
        let before = this.cpu().unwrap().all();
        while this.cpu().unwrap().all() == before {}
        assert!(this.status("VmNothing").is_err() && Process(u32::MAX).cpu().is_err());
        assert!(Machine::this().unwrap().cores >= 1);
    }
}
