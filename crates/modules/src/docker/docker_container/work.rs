//! Carrying out what was decided.

use std::time::Duration;

use model::Args;
use serde_json::{Value, json};

use super::argument::{DockerContainer, NetworkOption, Wish};
use super::plan::{Plan, endpoint, lost_network};
use crate::contract::Failure;
use crate::docker::engine::{Worker, output, query};
use crate::docker::image;
use crate::docker::registry::ImageName;
use crate::http::url::form_encoded;

/// Between two looks at a container that is on its way.
const PAUSE: Duration = Duration::from_millis(200);

impl DockerContainer {
    pub(super) fn work(
        &self,
        plan: Plan,
        worker: &Worker<'_>,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let mut plan = plan;
        if plan.pulls {
            let name = self.image.as_deref().unwrap_or_default();
            image::pull(worker, &ImageName::parse(name, "latest")?, self.platform.as_deref())?;
            plan = self.plan_pulled(worker)?;
            result.insert("changed".into(), plan.is_change().into());
        }
        let id = plan.container.as_ref().and_then(|c| c["Id"].as_str()).map(str::to_owned);
        if plan.removes
            && let Some(id) = &id
        {
            self.remove(worker, id, plan.container.as_ref())?;
        }
        if self.state == Wish::Absent {
            return Ok(());
        }
        let id = match (&plan.creates, id) {
            (Some(body), _) => self.create(worker, body)?,
            (None, Some(id)) => {
                change(worker, &id, &plan)?;
                id
            }
            (None, None) => return Err(Failure::new(format!("container {} has gone", self.name))),
        };
        if plan.stops {
            self.stop(worker, &id)?;
        }
        if plan.starts {
            let doing = format!("Error starting container {id}");
            worker.post(&doing, &format!("/containers/{id}/start"), None)?;
            if self.detach == Some(false) {
                return self.await_end(worker, &id, result);
            }
        } else if plan.restarts {
            let path = format!("/containers/{id}/restart{}", self.patience());
            worker.post(&format!("Error restarting container {id}"), &path, None)?;
        }
        if let Some(paused) = plan.pauses {
            let verb = if paused { "pause" } else { "unpause" };
            let doing = format!("Error: cannot {verb} container {id}");
            worker.post(&doing, &format!("/containers/{id}/{verb}"), None)?;
        }
        let mut container = worker.container(&id)?.unwrap_or_default();
        if self.state == Wish::Healthy {
            container = self.await_health(worker, &id)?;
        }
        result.insert("container".into(), container);
        Ok(())
    }

    /// How long the engine waits for a container to stop.
    fn patience(&self) -> String {
        let seconds = self.stop_timeout.map(|seconds| seconds.to_string());
        query(
            &seconds
                .as_ref()
                .map(|seconds| ("t", seconds.as_str()))
                .into_iter()
                .collect::<Vec<_>>(),
        )
    }

    fn stop(&self, worker: &Worker<'_>, id: &str) -> Result<(), Failure> {
        let path = if self.force_kill {
            let signal: Vec<_> = self.kill_signal.iter().map(|s| ("signal", s.as_str())).collect();
            format!("/containers/{id}/kill{}", query(&signal))
        } else {
            format!("/containers/{id}/stop{}", self.patience())
        };
        let verb = if self.force_kill { "killing" } else { "stopping" };
        worker.post(&format!("Error {verb} container {id}"), &path, None).map(drop)
    }

    fn remove(&self, worker: &Worker<'_>, id: &str, found: Option<&Value>) -> Result<(), Failure> {
        let state = |key: &str| found.is_some_and(|container| container["State"][key] == true);
        if state("Paused") {
            let doing = format!("Error unpausing container {id} before removal");
            worker.post(&doing, &format!("/containers/{id}/unpause"), None)?;
        }
        if state("Running") {
            self.stop(worker, id)?;
        }
        let volumes = if self.keep_volumes { "false" } else { "true" };
        let force = if self.force_kill { "true" } else { "false" };
        let path = format!("/containers/{id}{}", query(&[("v", volumes), ("force", force)]));
        let is_auto = found.is_some_and(|container| container["HostConfig"]["AutoRemove"] == true);
        match worker.delete(&format!("Error removing container {id}"), &path) {
            // One that removes itself is perhaps at it already.
            Err(failure) if !(is_auto && failure.message.contains("already in progress")) => {
                return Err(failure);
            }
            _ => {}
        }
        let limit = self.removal_wait_timeout;
        let gone = |container: Option<&Value>| container.is_none();
        await_state(worker, id, limit, gone)?.map_or(Ok(()), |_| {
            let limit = limit.unwrap_or_default();
            Err(Failure::new(format!(
                "Waiting for container \"{id}\" to be removed: timeout of {limit} seconds exceeded."
            )))
        })
    }

    fn create(&self, worker: &Worker<'_>, body: &Value) -> Result<String, Failure> {
        let networks = self.network_options(worker.host)?;
        for network in &networks {
            if worker.network(&network.name)?.is_none() {
                return Err(lost_network(&network.name));
            }
        }
        let mut pairs = vec![("name", self.name.as_str())];
        pairs.extend(self.platform.as_ref().map(|platform| ("platform", platform.as_str())));
        let path = format!("/containers/create{}", query(&pairs));
        let told = worker.post("Error creating container", &path, Some(body))?;
        let id = told["Id"].as_str().unwrap_or(&self.name).to_owned();
        let is_done = |network: &&NetworkOption| {
            body["NetworkingConfig"]["EndpointsConfig"].get(&network.name).is_some()
        };
        for network in networks.iter().filter(|network| !is_done(network)) {
            join(worker, &id, &network.name, endpoint(network))?;
        }
        if self.networks.is_some()
            && !self.networks_cli_compatible
            && self.is_strict_about_networks()
        {
            let container = worker.container(&id)?.unwrap_or_default();
            for name in container["NetworkSettings"]["Networks"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(n, _)| n)
            {
                if networks.iter().all(|network| network.name != *name) {
                    leave(worker, &id, name)?;
                }
            }
        }
        Ok(id)
    }

    fn is_strict_about_networks(&self) -> bool {
        let said = |key: &str| self.comparisons.get(key).and_then(Value::as_str);
        said("networks").or_else(|| said("*")) == Some("strict")
    }

    /// Waits until it ends, and shows what it wrote.
    fn await_end(&self, worker: &Worker<'_>, id: &str, result: &mut Args) -> Result<(), Failure> {
        let is_over = |container: Option<&Value>| {
            container.is_none_or(|container| {
                container["State"]["Status"] == "exited" || container["State"]["Status"] == "dead"
            })
        };
        await_state(worker, id, None, is_over)?;
        let mut container = worker.container(id)?.unwrap_or_default();
        let status = container["State"]["ExitCode"].as_i64().unwrap_or_default();
        let driver = container["HostConfig"]["LogConfig"]["Type"].as_str().unwrap_or_default();
        let text = if self.auto_remove == Some(true) {
            "Cannot retrieve result as auto_remove is enabled".to_owned()
        } else if matches!(driver, "json-file" | "journald" | "local") {
            let path = format!("/containers/{id}/logs?stdout=1&stderr=1");
            let has_terminal = container["Config"]["Tty"] == true;
            let (out, err) = output(&worker.bytes(&path)?, has_terminal);
            out + &err
        } else {
            format!("Result logged using `{driver}` driver")
        };
        if self.cleanup && !container.is_null() {
            self.remove(worker, id, Some(&container))?;
        }
        if !container.is_object() {
            container = json!({});
        }
        Self::show(&mut container, &text);
        result.insert("status".into(), status.into());
        result.insert("container".into(), container);
        if status == 0 { Ok(()) } else { Err(Failure::new(text)) }
    }

    fn await_health(&self, worker: &Worker<'_>, id: &str) -> Result<Value, Failure> {
        let health =
            |container: &Value| container["State"]["Health"]["Status"].as_str().map(str::to_owned);
        let is_over = |container: Option<&Value>| {
            container
                .is_none_or(|container| health(container).is_none_or(|word| word != "starting"))
        };
        let late = await_state(worker, id, Some(self.healthy_wait_timeout), is_over)?;
        if late.is_some() {
            return Err(Failure::new(format!(
                "Waiting for container \"{id}\" to become healthy: timeout of {} seconds exceeded",
                self.healthy_wait_timeout
            )));
        }
        let container = worker.container(id)?.unwrap_or_default();
        match health(&container).as_deref() {
            Some("healthy") => Ok(container),
            Some(word) => Err(Failure::new(format!("container {} is {word}", self.name))
                .with("container", container)),
            None => Err(Failure::new(format!("container {} has no health check", self.name))),
        }
    }
}

fn leave(worker: &Worker<'_>, id: &str, network: &str) -> Result<(), Failure> {
    let doing = format!("Error disconnecting container from network {network}");
    let path = format!("/networks/{}/disconnect", form_encoded(network));
    worker.post(&doing, &path, Some(&json!({ "Container": id }))).map(drop)
}

fn join(worker: &Worker<'_>, id: &str, network: &str, how: Value) -> Result<(), Failure> {
    let doing = format!("Error connecting container to network {network}");
    let path = format!("/networks/{}/connect", form_encoded(network));
    let body = json!({ "Container": id, "EndpointConfig": how });
    worker.post(&doing, &path, Some(&body)).map(drop)
}

/// Looks until something holds; what was seen last if it did not in time.
fn await_state(
    worker: &Worker<'_>,
    id: &str,
    seconds: Option<f64>,
    holds: impl Fn(Option<&Value>) -> bool,
) -> Result<Option<Value>, Failure> {
    let limit = seconds.filter(|s| *s > 0.0).map(Duration::from_secs_f64);
    let start = worker.host.now();
    loop {
        let container = worker.container(id)?;
        if holds(container.as_ref()) {
            return Ok(None);
        }
        let waited = worker.host.now().duration_since(start).unwrap_or_default();
        if limit.is_some_and(|limit| waited >= limit) {
            return Ok(container.or(Some(Value::Null)));
        }
        worker.host.sleep(PAUSE)?;
    }
}

fn change(worker: &Worker<'_>, id: &str, plan: &Plan) -> Result<(), Failure> {
    if let Some(update) = &plan.updates {
        let doing = format!("Error updating container {id}");
        worker.post(&doing, &format!("/containers/{id}/update"), Some(update))?;
    }
    plan.leaves.iter().try_for_each(|name| leave(worker, id, name))?;
    plan.joins.iter().try_for_each(|(name, how)| join(worker, id, name, how.clone()))
}
