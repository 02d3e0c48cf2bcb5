//! The whole way: evidence → statistics → verdict → explanation.

use serde::Serialize;

use crate::{
    evidence::Evidence,
    explain,
    statistics::Statistics,
    verdict::{Conclusion, Eta, Verdict},
};

/// The verdict and everything that led to it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The first verdict that holds.
    pub verdict: Verdict,
    /// Other verdicts that hold, in the order of precedence.
    pub also: Vec<Verdict>,
    /// The verdict in one sentence, with its figures.
    pub sentence: String,
    /// Advice, a sentence each.
    pub advice: Vec<String>,
    /// Notes that limit the verdict, a sentence each.
    pub notes: Vec<String>,
    /// For a heap leak under a limit.
    pub eta: Option<Eta>,
    /// The value that the limit calls for, bytes.
    pub recommended_gomemlimit: Option<u64>,
    /// The memory limit that the live heap calls for, bytes.
    pub recommended_limit: Option<u64>,
    /// The evidence.
    pub figures: Statistics,
}

/// Decides by what was captured. The same evidence always gives the same diagnosis.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let figures = Statistics::of(evidence);
    let conclusion = Conclusion::of(&figures);
    let (sentence, advice, notes) =
        (explain::sentence(&conclusion), explain::advice(&conclusion), explain::notes(&conclusion));
    let Conclusion { verdict, also, eta, recommended_gomemlimit, recommended_limit, .. } = conclusion;
    Diagnosis {
        verdict,
        also,
        sentence,
        advice,
        notes,
        eta,
        recommended_gomemlimit,
        recommended_limit,
        figures,
    }
}
