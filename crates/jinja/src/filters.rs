//! Filters: Jinja2's own and ansible-core's, a group a file.

mod addresses;
mod attributes;
mod collections;
mod dicts;
mod encodings;
mod hashes;
mod links;
mod marks;
mod numbers;
mod passwords;
mod paths;
mod python_random;
mod queries;
mod regexes;
mod sequences;
mod sets;
mod shapes;
mod texts;
mod times;
mod urls;
mod values;
mod vaults;
mod yamls;

pub(crate) use collections::sorted;
pub(crate) use passwords::Scheme;
pub(crate) use python_random::Random;
pub(crate) use shapes::subelements_of;
pub(crate) use values::{parse_int, truth_of};

use crate::environment::{Environment, Traits};

/// Evaluates everything first; the result is new.
const PLAIN: Traits =
    Traits { takes_undefined: false, lazy: false, structural: false, takes_sealed: false };
/// Evaluates everything first; the result is made of the input's elements.
const STRUCTURAL: Traits =
    Traits { takes_undefined: false, lazy: false, structural: true, takes_sealed: false };
/// Evaluates only what it looks at; the result is made of the input's elements.
const LAZY: Traits =
    Traits { takes_undefined: false, lazy: true, structural: true, takes_sealed: false };
/// Deals with undefined input.
const ANY: Traits =
    Traits { takes_undefined: true, lazy: true, structural: true, takes_sealed: false };

pub(crate) fn register(environment: &mut Environment) {
    values::register(environment);
    sequences::register(environment);
    collections::register(environment);
    addresses::register(environment);
    attributes::register(environment);
    dicts::register(environment);
    sets::register(environment);
    shapes::register(environment);
    texts::register(environment);
    regexes::register(environment);
    numbers::register(environment);
    encodings::register(environment);
    hashes::register(environment);
    links::register(environment);
    marks::register(environment);
    passwords::register(environment);
    paths::register(environment);
    queries::register(environment);
    times::register(environment);
    urls::register(environment);
    yamls::register(environment);
    vaults::register(environment);
}
