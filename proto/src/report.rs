//! Reports and outcomes: [`model`] to wire and back.

use std::num::NonZeroU64;

use model::{Diff, DiffContent, Outcome, OutputStream, PlanId, StepId, StepReport, Verdict};

use crate::decode::{id, json, object, required, to_json};
use crate::v1::{diff_content, report};
use crate::{DecodeError, v1};

/// Something that happened on a host while it carried out a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its number in the agent's ledger; `None` for output, which may be lost.
    pub seq: Option<NonZeroU64>,
    /// The plan.
    pub plan: PlanId,
    /// What happened.
    pub body: ReportBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportBody {
    /// A step began, printed or ended.
    Step(StepReport),
    /// Nothing more comes of the plan.
    Ended,
}

impl From<Report> for v1::Report {
    fn from(report: Report) -> Self {
        let what = match report.body {
            ReportBody::Step(StepReport::Started(step)) => {
                report::What::Started(v1::StepStarted { step: step.0 })
            }
            ReportBody::Step(StepReport::Output { step, stream, bytes }) => {
                report::What::Output(v1::StepOutput {
                    step: step.0,
                    stderr: stream == OutputStream::Stderr,
                    agent: stream == OutputStream::Agent,
                    bytes,
                })
            }
            ReportBody::Step(StepReport::Finished { step, outcome }) => {
                let outcome = Some(v1::Outcome::from(&*outcome));
                report::What::Finished(v1::StepFinished { step: step.0, outcome })
            }
            ReportBody::Ended => report::What::Ended(v1::PlanEnded {}),
        };
        let seq = report.seq.map_or(0, NonZeroU64::get);
        Self { seq, plan: report.plan.to_string(), what: Some(what) }
    }
}

impl TryFrom<v1::Report> for Report {
    type Error = DecodeError;

    fn try_from(report: v1::Report) -> Result<Self, DecodeError> {
        let body = match required("report.what", report.what)? {
            report::What::Started(started) => {
                ReportBody::Step(StepReport::Started(StepId(started.step)))
            }
            report::What::Output(output) => ReportBody::Step(StepReport::Output {
                step: StepId(output.step),
                stream: match (output.agent, output.stderr) {
                    (true, _) => OutputStream::Agent,
                    (false, true) => OutputStream::Stderr,
                    (false, false) => OutputStream::Stdout,
                },
                bytes: output.bytes,
            }),
            report::What::Finished(finished) => ReportBody::Step(StepReport::Finished {
                step: StepId(finished.step),
                outcome: Box::new(required("finished.outcome", finished.outcome)?.try_into()?),
            }),
            report::What::Ended(v1::PlanEnded {}) => ReportBody::Ended,
        };
        let seq = NonZeroU64::new(report.seq);
        let is_output = matches!(body, ReportBody::Step(StepReport::Output { .. }));
        if seq.is_none() && !is_output {
            return Err(DecodeError::Missing("report.seq"));
        }
        Ok(Self { seq, plan: id("report.plan", &report.plan)?, body })
    }
}

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        let (verdict, message) = match &outcome.verdict {
            Verdict::Ok => (v1::Verdict::Ok, ""),
            Verdict::Changed => (v1::Verdict::Changed, ""),
            Verdict::Skipped { reason } => (v1::Verdict::Skipped, reason.as_str()),
            Verdict::Failed { message } => (v1::Verdict::Failed, message.as_str()),
            Verdict::Unknown { message } => (v1::Verdict::Unknown, message.as_str()),
        };
        Self {
            verdict: verdict.into(),
            message: message.to_owned(),
            result_json: to_json(&outcome.result),
            diff: outcome.diff.iter().map(v1::Diff::from).collect(),
            warnings: outcome.warnings.clone(),
        }
    }
}

impl TryFrom<v1::Outcome> for Outcome {
    type Error = DecodeError;

    fn try_from(outcome: v1::Outcome) -> Result<Self, DecodeError> {
        let verdict = match outcome.verdict() {
            v1::Verdict::Ok => Verdict::Ok,
            v1::Verdict::Changed => Verdict::Changed,
            v1::Verdict::Skipped => Verdict::Skipped { reason: outcome.message },
            v1::Verdict::Failed => Verdict::Failed { message: outcome.message },
            v1::Verdict::Unknown => Verdict::Unknown { message: outcome.message },
            v1::Verdict::Unspecified => {
                let field = "outcome.verdict";
                return Err(DecodeError::UnknownValue { field, value: outcome.verdict });
            }
        };
        Ok(Self {
            verdict,
            result: object("outcome.result_json", &outcome.result_json)?,
            diff: outcome.diff.into_iter().map(Diff::try_from).collect::<Result<_, _>>()?,
            warnings: outcome.warnings,
        })
    }
}

impl From<&Diff> for v1::Diff {
    fn from(diff: &Diff) -> Self {
        Self {
            before_header: diff.before_header.clone(),
            after_header: diff.after_header.clone(),
            before: Some((&diff.before).into()),
            after: Some((&diff.after).into()),
        }
    }
}

impl TryFrom<v1::Diff> for Diff {
    type Error = DecodeError;

    fn try_from(diff: v1::Diff) -> Result<Self, DecodeError> {
        Ok(Self {
            before_header: diff.before_header,
            after_header: diff.after_header,
            before: required("diff.before", diff.before)?.try_into()?,
            after: required("diff.after", diff.after)?.try_into()?,
        })
    }
}

impl From<&DiffContent> for v1::DiffContent {
    fn from(content: &DiffContent) -> Self {
        let content = match content {
            DiffContent::Text(text) => diff_content::Content::Text(text.clone()),
            DiffContent::State(state) => diff_content::Content::StateJson(to_json(state)),
            DiffContent::Binary(size) => diff_content::Content::Binary(*size),
            DiffContent::TooLarge(size) => diff_content::Content::TooLarge(*size),
        };
        Self { content: Some(content) }
    }
}

impl TryFrom<v1::DiffContent> for DiffContent {
    type Error = DecodeError;

    fn try_from(side: v1::DiffContent) -> Result<Self, DecodeError> {
        Ok(match required("diff.content", side.content)? {
            diff_content::Content::Text(text) => Self::Text(text),
            diff_content::Content::StateJson(state) => {
                Self::State(json("diff.state_json", &state)?)
            }
            diff_content::Content::Binary(size) => Self::Binary(size),
            diff_content::Content::TooLarge(size) => Self::TooLarge(size),
        })
    }
}

#[cfg(test)]
mod tests {
    use model::Args;
    use serde_json::json;

    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        let mut result = Args::new();
        result.insert("rc".into(), 0.into());
        let side = |content| Diff {
            before_header: "before".into(),
            after_header: "after".into(),
            before: DiffContent::Text(String::new()),
            after: content,
        };
        Outcome {
            verdict,
            result,
            diff: vec![
                side(DiffContent::State(json!({"mode": "0644"}))),
                side(DiffContent::Binary(7)),
                side(DiffContent::TooLarge(1 << 40)),
            ],
            warnings: vec!["w".into()],
        }
    }

    #[test]
    fn reports_survive_the_wire() {
        let step = StepId(3);
        let verdicts = [
            Verdict::Ok,
            Verdict::Changed,
            Verdict::Skipped { reason: "r".into() },
            Verdict::Failed { message: "m".into() },
            Verdict::Unknown { message: "u".into() },
        ];
        let finished = verdicts.map(|verdict| {
            ReportBody::Step(StepReport::Finished { step, outcome: Box::new(outcome(verdict)) })
        });
        let output = |stream| StepReport::Output { step, stream, bytes: vec![0xff, 0] };
        let others = [
            ReportBody::Step(StepReport::Started(step)),
            ReportBody::Step(output(OutputStream::Stderr)),
            ReportBody::Step(output(OutputStream::Stdout)),
            ReportBody::Step(output(OutputStream::Agent)),
            ReportBody::Ended,
        ];
        for body in finished.into_iter().chain(others) {
            let report = Report { seq: NonZeroU64::new(9), plan: PlanId::generate(), body };
            let back = Report::try_from(v1::Report::from(report.clone())).unwrap();
            assert_eq!(back, report);
        }
    }

    #[test]
    fn bad_reports_are_refused() {
        let plan = PlanId::generate().to_string();
        let started = report::What::Started(v1::StepStarted { step: 0 });
        let finished = |outcome| report::What::Finished(v1::StepFinished { step: 0, outcome });
        let check = |seq, plan: &str, what, expected: &str| {
            let report = v1::Report { seq, plan: plan.into(), what };
            assert_eq!(Report::try_from(report).unwrap_err().chain(), expected);
        };
        check(1, &plan, None, "`report.what` is missing");
        check(0, &plan, Some(started.clone()), "`report.seq` is missing");
        check(1, "x", Some(started), "`report.plan` is not valid: `x` is not a plan id (a UUID)");
        check(1, &plan, Some(finished(None)), "`finished.outcome` is missing");
        check(
            1,
            &plan,
            Some(finished(Some(v1::Outcome::default()))),
            "`outcome.verdict` has the unknown value 0",
        );
        let deep = v1::Outcome {
            verdict: v1::Verdict::Ok.into(),
            result_json: b"[".repeat(10_000),
            ..v1::Outcome::default()
        };
        let error = Report::try_from(v1::Report { seq: 1, plan, what: Some(finished(Some(deep))) });
        assert!(error.unwrap_err().chain().contains("recursion limit exceeded"));
    }
}
