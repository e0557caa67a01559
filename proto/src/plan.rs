//! Plans and steps: [`model`] to wire and back.

use std::time::Duration;

use model::{BecomeMethod, DeployPlan, Digest, Mode, PlanId, RunAs, Secret, Step, StepId};
use prost::Message as _;

use crate::decode::{digest, id, object, to_json};
use crate::{DecodeError, v1};

/// The largest message that either side sends or takes, in bytes.
pub const MAX_MESSAGE: usize = 4 << 20;

/// What the envelope around a plan's body may need.
const ENVELOPE: usize = 1 << 10;

/// A plan that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanEncodeError {
    /// It is larger than a message may be.
    #[error(
        "plan {plan} has {size} bytes, and a message at most {MAX_MESSAGE}; \
         large contents belong into blobs"
    )]
    TooLarge {
        /// The plan.
        plan: PlanId,
        /// Its encoded size.
        size: usize,
    },
}

/// A plan as it goes over the wire. The only encoder of plans: the digest of what it gives is the plan's digest.
pub fn encode_plan(plan: &DeployPlan) -> Result<v1::Plan, PlanEncodeError> {
    let body = v1::PlanBody {
        id: plan.id.to_string(),
        steps: plan.steps.iter().map(v1::Step::from).collect(),
        keep_going: plan.keep_going,
    }
    .encode_to_vec();
    if body.len() > MAX_MESSAGE - ENVELOPE {
        return Err(PlanEncodeError::TooLarge { plan: plan.id, size: body.len() });
    }
    Ok(v1::Plan { digest: Digest::of(&body).0.to_vec(), body })
}

impl TryFrom<&v1::Plan> for DeployPlan {
    type Error = DecodeError;

    fn try_from(plan: &v1::Plan) -> Result<Self, DecodeError> {
        let expected = digest("plan.digest", &plan.digest)?;
        let actual = Digest::of(&plan.body);
        if expected != actual {
            return Err(DecodeError::PlanDigest { expected, actual });
        }
        let body = v1::PlanBody::decode(plan.body.as_slice()).map_err(DecodeError::Body)?;
        let steps: Vec<Step> =
            body.steps.into_iter().map(Step::try_from).collect::<Result<_, _>>()?;
        for (expected, step) in (0..).zip(&steps) {
            if step.id.0 != expected {
                return Err(DecodeError::StepOrder { expected, found: step.id.0 });
            }
        }
        Ok(Self {
            id: id("plan.id", &body.id)?,
            digest: Some(actual),
            steps,
            keep_going: body.keep_going,
        })
    }
}

impl From<&Step> for v1::Step {
    fn from(step: &Step) -> Self {
        Self {
            id: step.id.0,
            module: step.module.clone(),
            args_json: to_json(&step.args),
            check: step.mode.check,
            diff: step.mode.diff,
            run_as: step.run_as.as_ref().map(v1::RunAs::from),
            environment: step.environment.clone(),
            timeout_ms: step.timeout.map(milliseconds),
            no_log: step.no_log,
        }
    }
}

impl TryFrom<v1::Step> for Step {
    type Error = DecodeError;

    fn try_from(step: v1::Step) -> Result<Self, DecodeError> {
        if step.module.is_empty() {
            return Err(DecodeError::Missing("step.module"));
        }
        Ok(Self {
            id: StepId(step.id),
            module: step.module,
            args: object("step.args_json", &step.args_json)?,
            mode: Mode { check: step.check, diff: step.diff },
            run_as: step.run_as.map(RunAs::try_from).transpose()?,
            environment: step.environment,
            timeout: step.timeout_ms.map(Duration::from_millis),
            no_log: step.no_log,
        })
    }
}

impl From<&RunAs> for v1::RunAs {
    fn from(run_as: &RunAs) -> Self {
        let method = match run_as.method {
            BecomeMethod::Sudo => v1::BecomeMethod::Sudo,
            BecomeMethod::Su => v1::BecomeMethod::Su,
        };
        Self {
            user: run_as.user.clone(),
            method: method.into(),
            exe: run_as.exe.clone(),
            flags: run_as.flags.clone().map(|words| v1::Flags { words }),
            password: run_as.password.as_ref().map(|password| password.reveal().clone()),
            chdir: run_as.chdir.clone(),
            prompts: run_as.prompts.clone(),
            patience_ms: run_as.patience.map(milliseconds),
        }
    }
}

fn milliseconds(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

impl TryFrom<v1::RunAs> for RunAs {
    type Error = DecodeError;

    fn try_from(run_as: v1::RunAs) -> Result<Self, DecodeError> {
        let method = match run_as.method() {
            v1::BecomeMethod::Sudo => BecomeMethod::Sudo,
            v1::BecomeMethod::Su => BecomeMethod::Su,
            v1::BecomeMethod::Unspecified => {
                let field = "run_as.method";
                return Err(DecodeError::UnknownValue { field, value: run_as.method });
            }
        };
        Ok(Self {
            user: run_as.user,
            method,
            exe: run_as.exe,
            flags: run_as.flags.map(|flags| flags.words),
            password: run_as.password.map(Secret::new),
            chdir: run_as.chdir,
            prompts: run_as.prompts,
            patience: run_as.patience_ms.map(Duration::from_millis),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    pub(crate) fn step(id: u32) -> Step {
        let Some(args) = json!({"path": "/etc/motd", "z": 1, "a": [null]}).as_object().cloned()
        else {
            unreachable!("an object")
        };
        Step {
            id: StepId(id),
            module: "copy".into(),
            args,
            mode: Mode { check: true, diff: false },
            run_as: Some(RunAs {
                flags: Some(vec![]),
                password: Some(Secret::new("hunter2".into())),
                chdir: Some("/srv".into()),
                prompts: vec!["Kennwort".into()],
                patience: Some(Duration::from_secs(3)),
                ..RunAs::new("web", BecomeMethod::Su)
            }),
            environment: BTreeMap::from([("A".into(), "1".into())]),
            timeout: Some(Duration::from_millis(1500)),
            no_log: true,
        }
    }

    fn plan(steps: Vec<Step>) -> DeployPlan {
        DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going: true }
    }

    #[test]
    fn plans_survive_the_wire() {
        let plan = plan(vec![step(0), step(1)]);
        let wire = encode_plan(&plan).unwrap();
        assert_eq!(wire, encode_plan(&plan).unwrap(), "the same plan has the same bytes");
        let back = DeployPlan::try_from(&wire).unwrap();
        assert_eq!(back.digest, Some(Digest::of(&wire.body)));
        assert_eq!(DeployPlan { digest: None, ..back }, plan);
    }

    #[test]
    fn secrets_are_not_shown() {
        let wire = v1::Step::from(&step(0));
        let shown = format!("{wire:?} {:?} {:?}", wire.run_as, encode_plan(&plan(vec![step(0)])));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn bad_plans_are_refused() {
        let check = |change: fn(&mut v1::PlanBody), expected: &str| {
            let wire = encode_plan(&plan(vec![step(0)])).unwrap();
            let mut body = v1::PlanBody::decode(wire.body.as_slice()).unwrap();
            change(&mut body);
            let body = body.encode_to_vec();
            let wire = v1::Plan { digest: Digest::of(&body).0.to_vec(), body };
            assert_eq!(DeployPlan::try_from(&wire).unwrap_err().chain(), expected);
        };
        check(|body| body.steps[0].id = 4, "step 4 stands where step 0 should");
        check(|body| body.steps[0].module.clear(), "`step.module` is missing");
        check(
            |body| body.steps[0].args_json = b"[]".into(),
            "`step.args_json` is not a JSON object",
        );
        check(
            |body| body.steps[0].args_json = b"{\"a\":".into(),
            "`step.args_json` is not valid JSON: EOF while parsing a value at line 1 column 5",
        );
        check(
            |body| body.steps[0].run_as.as_mut().unwrap().method = 77,
            "`run_as.method` has the unknown value 77",
        );
        check(
            |body| body.id = "../etc".into(),
            "`plan.id` is not valid: `../etc` is not a plan id (a UUID)",
        );
    }

    #[test]
    fn a_changed_plan_is_refused() {
        let mut wire = encode_plan(&plan(vec![step(0)])).unwrap();
        wire.body.push(0);
        assert!(matches!(DeployPlan::try_from(&wire), Err(DecodeError::PlanDigest { .. })));
        let cut = v1::Plan { digest: vec![1; 31], body: vec![] };
        assert!(matches!(DeployPlan::try_from(&cut), Err(DecodeError::Invalid { .. })));
        let body = vec![0xff; 9];
        let noise = v1::Plan { digest: Digest::of(&body).0.to_vec(), body };
        assert!(matches!(DeployPlan::try_from(&noise), Err(DecodeError::Body(_))));
    }

    #[test]
    fn a_plan_larger_than_a_message_is_not_sent() {
        let mut large = step(0);
        large.args.insert("content".into(), "x".repeat(MAX_MESSAGE).into());
        let error = encode_plan(&plan(vec![large])).unwrap_err();
        assert!(error.to_string().contains("a message at most 4194304"), "{error}");
    }
}
