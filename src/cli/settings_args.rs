//! The weakest level of settings, as flags; the same for every command that decides.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, ValueEnum, parser::ValueSource};
use gomemlimit_core::{
    Policy, Rules, Settings,
    addresses::docs,
    quantity,
    settings::{EnvFrom, InitContainers, Mode, Repair, ValueKind},
    value::{Ratio, RatioError},
};

use crate::policy_file::{self, Kinds, PolicyFileError};

/// Defaults, for what no annotation sets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings, where no annotation says otherwise")]
pub(super) struct SettingsArgs {
    /// Share of the memory limit: 0.10 to 0.98, or a percentage
    #[arg(long, value_name = "RATIO", default_value = "0.90", value_parser = parse_ratio)]
    ratio: Ratio,
    /// Least memory to leave free below the limit, as a quantity
    #[arg(long, value_name = "QUANTITY", default_value = "0", value_parser = parse_quantity)]
    headroom: u64,
    /// Leave containers with a smaller memory limit alone, as a quantity
    #[arg(long, value_name = "QUANTITY", default_value = "32Mi", value_parser = parse_quantity)]
    min_limit: u64,
    /// Inject, only report, or leave alone
    #[arg(long, value_enum, default_value_t = ModeArg::Inject)]
    mode: ModeArg,
    /// Write bytes, or let the value follow the limit at every restart of the container
    #[arg(long, value_enum, default_value_t = ValueArg::Literal)]
    value: ValueArg,
    /// What to do about a GOMEMLIMIT of the user that hurts
    #[arg(long, value_enum, default_value_t = RepairArg::Report)]
    repair: RepairArg,
    /// What an envFrom means, which may define GOMEMLIMIT: env wins over it
    #[arg(long, value_enum, default_value_t = EnvFromArg::Inject)]
    env_from: EnvFromArg,
    /// Which init containers get a value
    #[arg(long, value_enum, default_value_t = InitContainersArg::Sidecars)]
    init_containers: InitContainersArg,
    #[arg(long, value_name = "FILE", help = policy_file_help())]
    policy_file: Option<PathBuf>,
}

impl SettingsArgs {
    /// With the rules of the policy file.
    pub(super) fn policy(&self) -> Result<Policy, PolicyFileError> {
        let rules = match self.policy_file() {
            None => Rules::default(),
            Some(path) => policy_file::parse(path, &policy_file::read(path, Kinds::Any)?)?,
        };
        Ok(self.policy_with(rules))
    }

    /// The same, for commands that ask once: says on stderr what is unlikely to be meant.
    pub(super) fn policy_with_lints(&self) -> Result<Policy, PolicyFileError> {
        let policy = self.policy()?;
        for lint in policy.lints() {
            super::output::warning(&lint);
        }
        Ok(policy)
    }

    pub(super) fn policy_file(&self) -> Option<&Path> {
        self.policy_file.as_deref()
    }

    /// With these rules instead of those of the policy file.
    pub(super) fn policy_with(&self, rules: Rules) -> Policy {
        let Self { ratio, headroom, min_limit, mode, value, repair, env_from, init_containers, .. } =
            self.clone();
        Policy {
            defaults: Settings {
                ratio,
                headroom,
                min_limit,
                mode: match mode {
                    ModeArg::Inject => Mode::Inject,
                    ModeArg::Audit => Mode::Audit,
                    ModeArg::Off => Mode::Off,
                },
                value: match value {
                    ValueArg::Literal => ValueKind::Literal,
                    ValueArg::Track => ValueKind::Track,
                },
                repair: match repair {
                    RepairArg::Off => Repair::Off,
                    RepairArg::Report => Repair::Report,
                    RepairArg::Fix => Repair::Fix,
                },
            },
            env_from: match env_from {
                EnvFromArg::Inject => EnvFrom::Inject,
                EnvFromArg::Skip => EnvFrom::Skip,
            },
            init_containers: match init_containers {
                InitContainersArg::Sidecars => InitContainers::Sidecars,
                InitContainersArg::All => InitContainers::All,
            },
            rules,
        }
    }
}

fn policy_file_help() -> String {
    format!("Rules for namespaces, labels, owners, containers and images; see {}", docs("policy-file"))
}

/// Whether one of these flags stands on the command line.
pub(super) fn are_given(matches: &ArgMatches) -> bool {
    let flags = SettingsArgs::augment_args(Command::new(""));
    let mut ids = flags.get_arguments().map(clap::Arg::get_id);
    ids.any(|id| {
        matches.ids().any(|other| other == id)
            && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
    })
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    /// Patch
    Inject,
    /// Decide and report, patch nothing
    Audit,
    /// Leave alone
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RepairArg {
    /// Say nothing
    Off,
    /// Warn
    Report,
    /// Replace it by what would be injected
    Fix,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ValueArg {
    /// As bytes
    Literal,
    /// By the downward API: 95.37 % of the limit
    Track,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnvFromArg {
    /// Inject over it
    Inject,
    /// Leave the container alone
    Skip,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InitContainersArg {
    /// Native sidecars only (restartPolicy: Always)
    Sidecars,
    /// All of them
    All,
}

fn parse_ratio(text: &str) -> Result<Ratio, RatioError> {
    text.parse()
}

/// Bytes of a quantity. One that is probably a mistake in the unit is refused: `256` is 256 bytes.
pub(super) fn parse_quantity(text: &str) -> Result<u64, String> {
    quantity::too_small(text)
        .map_or_else(|| quantity::parse_hinted(text).map_err(|error| error.to_string()), Err)
}
