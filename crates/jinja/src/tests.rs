//! Tests (`x is defined`): Jinja2's own and ansible-core's.

mod files;
mod results;
mod sets;
mod texts;
mod types;
mod versions;

use crate::environment::{Environment, Traits};

/// Evaluates everything first.
const PLAIN: Traits =
    Traits { takes_undefined: false, lazy: false, structural: false, takes_sealed: false };
/// Looks at the kind of value alone.
const LAZY: Traits =
    Traits { takes_undefined: false, lazy: true, structural: false, takes_sealed: false };
/// Deals with undefined input; whether a name is there is known even where its value is not.
const ANY: Traits =
    Traits { takes_undefined: true, lazy: true, structural: true, takes_sealed: false };

pub(crate) fn register(environment: &mut Environment) {
    types::register(environment);
    results::register(environment);
    sets::register(environment);
    texts::register(environment);
    versions::register(environment);
    files::register(environment);
}
