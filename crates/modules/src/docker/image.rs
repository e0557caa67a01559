//! Images, found and pulled: for the modules that need one.

use serde_json::Value;

use super::engine::{Engine, Worker, query, stream};
use super::registry::{ImageName, is_id, login_header};
use crate::contract::Failure;
use crate::http::url::form_encoded;

/// An image by name and tag, or by id.
pub(crate) fn find(engine: &Engine<'_>, name: &str, tag: &str) -> Result<Option<Value>, Failure> {
    let full = if is_id(name) { name.to_owned() } else { ImageName::parse(name, tag)?.full() };
    engine.find(&format!("/images/{}/json", form_encoded(&full)))
}

/// Pulls an image; says whether another one is there now.
pub(crate) fn pull(
    worker: &Worker<'_>,
    image: &ImageName,
    platform: Option<&str>,
) -> Result<bool, Failure> {
    let full = image.full();
    let doing = format!("Error pulling image {full}");
    let path = format!("/images/{}/json", form_encoded(&full));
    let before = worker.find(&path)?;
    let mut pairs = vec![("fromImage", image.repository.as_str()), ("tag", image.tag.as_str())];
    pairs.extend(platform.map(|platform| ("platform", platform)));
    let headers = login_header(worker, image)?;
    let path_of_pull = format!("/images/create{}", query(&pairs));
    stream(&doing, &worker.post_with(&doing, &path_of_pull, headers, None)?)?;
    let after = worker.find(&path)?;
    let id = |image: &Option<Value>| image.as_ref().map(|image| image["Id"].clone());
    Ok(id(&before) != id(&after))
}

/// Pushes an image.
pub(crate) fn push(worker: &Worker<'_>, image: &ImageName) -> Result<bool, Failure> {
    let full = image.full();
    let doing = format!("Error pushing image {full}");
    let mut headers = login_header(worker, image)?;
    if headers.is_empty() {
        // The engine wants one, even if it says nothing.
        headers.push(("X-Registry-Auth".to_owned(), "e30=".to_owned()));
    }
    let path = format!("/images/{}/push{}", image.repository, query(&[("tag", &image.tag)]));
    let lines = stream(&doing, &worker.post_with(&doing, &path, headers, None)?)?;
    Ok(lines.iter().any(|line| line["status"] == "Pushing" || line["status"] == "Pushed"))
}
