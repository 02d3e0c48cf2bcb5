//! The weakest level of settings, as flags; the same for every command that decides.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use clap::{
    Arg, ArgMatches, Args, Command, FromArgMatches,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser},
    error::ErrorKind,
    parser::ValueSource,
};
use gomemlimit_core::{
    Policy, Rules, Settings,
    addresses::docs,
    quantity,
    settings::{EnvFrom, Form, InitContainers, Setting, Words},
    value::Ratio,
};

use crate::policy_file::{self, Kinds, PolicyFileError};

/// Defaults, for what no annotation sets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings, where no annotation says otherwise")]
pub(super) struct SettingsArgs {
    #[command(flatten)]
    defaults: SettingFlags,
    /// What an envFrom means, which may define GOMEMLIMIT: env wins over it
    #[arg(long, default_value = EnvFrom::default().as_str(), value_parser = word::<EnvFrom>())]
    env_from: EnvFrom,
    /// Which init containers get a value
    #[arg(long, default_value = InitContainers::default().as_str(), value_parser = word::<InitContainers>())]
    init_containers: InitContainers,
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

    /// The same, for commands that ask once: prints on stderr what is unlikely to be meant.
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
        let Self { defaults: SettingFlags(defaults), env_from, init_containers, .. } = *self;
        Policy { defaults, env_from, init_containers, rules }
    }
}

fn policy_file_help() -> String {
    format!("Rules for namespaces, labels, owners, containers and images; see {}", docs("policy-file"))
}

/// Whether one of these flags is on the command line.
pub(super) fn are_given(matches: &ArgMatches) -> bool {
    let flags = SettingsArgs::augment_args(Command::new(""));
    let mut ids = flags.get_arguments().map(Arg::get_id);
    ids.any(|id| {
        matches.ids().any(|other| other == id)
            && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
    })
}

/// A flag for each setting of the table: name, help, values and default are those of the core.
#[derive(Clone, Copy, Debug)]
struct SettingFlags(Settings);

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.iter().map(FlagTexts::arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self(Settings::default());
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for &setting in Setting::ALL {
            let Some(text) = matches.get_one::<String>(setting.as_str()) else { continue };
            self.0.set(setting, text).map_err(|problem| {
                clap::Error::raw(
                    ErrorKind::ValueValidation,
                    format!("--{} {text}: {problem}\n", setting.as_str()),
                )
            })?;
        }
        Ok(())
    }
}

/// The texts of all flags. clap keeps texts for as long as the program runs; its feature `string`, for others, adds 50 KB.
static FLAGS: LazyLock<Vec<FlagTexts>> =
    LazyLock::new(|| Setting::ALL.iter().map(|&setting| FlagTexts::new(setting)).collect());

struct FlagTexts {
    setting: Setting,
    value_name: String,
    default: String,
}

impl FlagTexts {
    fn new(setting: Setting) -> Self {
        let default = Settings::default().text(setting);
        let (value_name, default) = match setting.form() {
            // Two decimals, as in the texts.
            Form::Ratio => ("RATIO".to_owned(), format!("{default:0<4}")),
            Form::Quantity => ("QUANTITY".to_owned(), default),
            Form::Words(_) => (setting.as_str().to_ascii_uppercase().replace('-', "_"), default),
        };
        Self { setting, value_name, default }
    }

    fn arg(&'static self) -> Arg {
        let name = self.setting.as_str();
        let arg = Arg::new(name).long(name).help(self.setting.help());
        let arg = arg.value_name(&*self.value_name).default_value(&*self.default);
        match self.setting.form() {
            Form::Ratio => arg.value_parser(|text: &str| text.parse::<Ratio>().map(|_| text.to_owned())),
            Form::Quantity => arg.value_parser(|text: &str| parse_quantity(text).map(|_| text.to_owned())),
            Form::Words(words) => arg.value_parser(possible_values(words)),
        }
    }
}

fn possible_values(words: Vec<(&'static str, &'static str)>) -> PossibleValuesParser {
    words.into_iter().map(|(word, help)| PossibleValue::new(word).help(help)).into()
}

/// Reads one of the words of the core.
fn word<T: Words + Send + Sync + 'static>() -> ValueParser {
    possible_values(T::documented()).try_map(|text| T::read_word(&text)).into()
}

/// Bytes of a quantity. One that is probably a mistake in the unit is refused: `256` is 256 bytes.
pub(super) fn parse_quantity(text: &str) -> Result<u64, String> {
    quantity::too_small(text)
        .map_or_else(|| quantity::parse_hinted(text).map_err(|error| error.to_string()), Err)
}
