//! `fail`: fails with a message.

use model::Outcome;

use super::{Attempt, Call, Prepared};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only_options(&["msg"])?;
    let message = call.text("msg").unwrap_or_else(|| "Failed as requested from task".to_owned());
    Ok(Prepared::Done(Outcome::failed(message), Vec::new()))
}
