//! `async_status`: asks after a job in the background, where the task's variables say that jobs leave their results.

use super::{Attempt, Call, Prepared, module};
use crate::attributes::Keywords;

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let mut args = call.json_args()?;
    let keywords = Keywords { planned: call.planned, templar: call.templar };
    args.insert("_async_dir".into(), keywords.async_directory()?.into());
    Ok(module(args, "async_status"))
}
