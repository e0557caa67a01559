//! The test `version`: which of two versions is newer, by one of Python's schemes.

use std::cmp::Ordering;

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, nearest};
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    for name in ["version", "version_compare"] {
        environment.test(name, PLAIN, |_, value, args| version(&value, args));
    }
}

fn version(value: &Value, mut args: Args) -> Result<Value, Error> {
    let other = args.required("version")?.to_string();
    let operator = args.text("operator")?.unwrap_or_else(|| "eq".into());
    let strict = args.take("strict").filter(|strict| !strict.is_none());
    let kind = args.text("version_type")?;
    args.finish()?;
    let value = value.to_string();
    if value.is_empty() {
        return Err(Error::value_error("Input version value cannot be empty"));
    }
    if other.is_empty() {
        return Err(Error::value_error("Version parameter to compare against cannot be empty"));
    }
    let kind = match (kind.as_deref(), strict.map(|strict| strict.is_true())) {
        (Some(_), Some(_)) => {
            return Err(Error::value_error("Cannot specify both 'strict' and 'version_type'"));
        }
        (Some(kind), None) => kind,
        (None, Some(true)) => "strict",
        _ => "loose",
    };
    let order = match kind {
        "loose" => compare_loose(&value, &other)?,
        "strict" => strict_version(&value)?.cmp(&strict_version(&other)?),
        "semver" | "semantic" => semantic(&value)?.cmp(&semantic(&other)?),
        "pep440" => pep440(&value)?.cmp(&pep440(&other)?),
        other => {
            let known = ["loose", "strict", "semver", "semantic", "pep440"];
            return Err(Error::value_error(format!(
                "Invalid version type ({other}). Must be one of 'loose', 'strict', 'semver', 'semantic', 'pep440'"
            ))
            .hinted(nearest(other, known.into_iter())));
        }
    };
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        other => {
            return Err(Error::value_error(format!(
                "Invalid operator type ({other}). Must be one of '==', '=', 'eq', '<', 'lt', '<=', 'le', '>', 'gt', '>=', 'ge', '!=', '<>', 'ne'"
            )));
        }
    }
    .into())
}

/// A run of digits, or of letters, of a loose version.
#[derive(Debug, PartialEq)]
enum Piece {
    Number(u128),
    Word(String),
}

/// Numbers and words apart; dots only separate.
fn loose(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let class = |letter: char| match letter {
            '.' => 0,
            _ if letter.is_ascii_digit() => 1,
            _ if letter.is_ascii_lowercase() => 2,
            _ => 3,
        };
        let end = rest.find(|letter| class(letter) != class(first)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        match class(first) {
            0 => {}
            1 => pieces.push(Piece::Number(run.parse().unwrap_or(u128::MAX))),
            _ => pieces.push(Piece::Word(run.to_owned())),
        }
        rest = tail;
    }
    pieces
}

fn compare_loose(left: &str, right: &str) -> Result<Ordering, Error> {
    let (left, right) = (loose(left), loose(right));
    for (left, right) in left.iter().zip(&right) {
        let order = match (left, right) {
            (Piece::Number(left), Piece::Number(right)) => left.cmp(right),
            (Piece::Word(left), Piece::Word(right)) => left.cmp(right),
            (left, _) => {
                let (a, b) = match left {
                    Piece::Word(_) => ("str", "int"),
                    Piece::Number(_) => ("int", "str"),
                };
                return Err(Error::type_error(format!(
                    "Version comparison failed: '<' not supported between instances of '{a}' and '{b}'"
                )));
            }
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

fn invalid(text: &str, what: &str) -> Error {
    Error::value_error(format!("Version comparison failed: invalid {what} '{text}'"))
}

/// The release, and whether it is final, or else its letter and number.
type Strict = ([u64; 3], (bool, char, u64));

/// `1.2`, `1.2.3`, `1.2a1`: a final release is newer than its alphas and betas.
fn strict_version(text: &str) -> Result<Strict, Error> {
    let wrong = || invalid(text, "version number");
    let end = text.find(['a', 'b']).unwrap_or(text.len());
    let (numbers, pre) = text.split_at(end);
    let numbers: Vec<u64> = numbers
        .split('.')
        .map(|part| part.parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    let release = match numbers.as_slice() {
        [major, minor] => [*major, *minor, 0],
        [major, minor, patch] => [*major, *minor, *patch],
        _ => return Err(wrong()),
    };
    let pre = match pre.chars().next() {
        None => (true, ' ', 0),
        Some(letter) => (false, letter, pre[1..].parse().map_err(|_| wrong())?),
    };
    Ok((release, pre))
}

type Semantic = ([u64; 3], bool, Vec<(u64, String, bool)>);

/// `1.2.3-rc.1+build`: numbers of a pre-release are older than words, the build does not count.
fn semantic(text: &str) -> Result<Semantic, Error> {
    let wrong = || invalid(text, "semantic version");
    let text_only = text.split('+').next().unwrap_or_default();
    let (numbers, pre) = match text_only.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (text_only, None),
    };
    let numbers: Vec<u64> = numbers
        .split('.')
        .map(|part| part.parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    let release = <[u64; 3]>::try_from(numbers).map_err(|_| wrong())?;
    let pre_parts = pre.unwrap_or_default().split('.').map(|part| match part.parse() {
        Ok(number) => (number, String::new(), true),
        Err(_) => (u64::MAX, part.to_owned(), false),
    });
    Ok((release, pre.is_none(), pre_parts.collect()))
}

/// A version by PEP 440: epoch, release without trailing zeros, then dev < a < b < rc < final < post, and the local
/// part.
type Pep440 = (u64, Vec<u64>, (i8, u64), (i8, u64), (i8, u64), Vec<(u8, u64, String)>);

fn pep440(text: &str) -> Result<Pep440, Error> {
    let wrong = || invalid(text, "version");
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_prefix('v').unwrap_or(&lower);
    let (public, local) = lower.split_once('+').unwrap_or((lower, ""));
    let (epoch, rest) = match public.split_once('!') {
        Some((epoch, rest)) => (epoch.parse().map_err(|_| wrong())?, rest),
        None => (0, public),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (numbers, mut tail) = rest.split_at(end);
    let numbers = numbers.trim_end_matches('.');
    let mut release: Vec<u64> = numbers
        .split('.')
        .map(|part| part.parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let (mut pre, mut post, mut dev) = (None, None, None);
    while !tail.is_empty() {
        tail = tail.trim_start_matches(['.', '-', '_']);
        let word_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (word, after) = tail.split_at(word_end);
        let after = after.trim_start_matches(['.', '-', '_']);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let number = if digits == 0 { 0 } else { after[..digits].parse().map_err(|_| wrong())? };
        match word {
            "a" | "alpha" => pre = Some((0, number)),
            "b" | "beta" => pre = Some((1, number)),
            "rc" | "c" | "pre" | "preview" => pre = Some((2, number)),
            "post" | "rev" | "r" | "" if digits > 0 || !word.is_empty() => post = Some(number),
            "dev" => dev = Some(number),
            _ => return Err(wrong()),
        }
        tail = &after[digits..];
    }
    let pre_rank = match (pre, post, dev) {
        (Some((rank, number)), ..) => (rank, number),
        (None, None, Some(_)) => (-1, 0),
        _ => (3, 0),
    };
    let post_rank = post.map_or((0, 0), |number| (1, number));
    let dev_rank = dev.map_or((1, 0), |number| (0, number));
    let local = local.split(['.', '-', '_']).filter(|part| !part.is_empty()).map(|part| match part
        .parse()
    {
        Ok(number) => (1, number, String::new()),
        Err(_) => (0, 0, part.to_owned()),
    });
    Ok((epoch, release, pre_rank, post_rank, dev_rank, local.collect()))
}
