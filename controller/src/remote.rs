//! The client of a controller: who we are to it, and what it is asked.

mod follow;
mod project;

use std::fs;
use std::path::{Path, PathBuf};

use identity::Credentials;
use proto::v1::operator_client::OperatorClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::error::{CliError, ErrorKind};
use crate::settings::Environment;

/// The file of the state directory in which a running controller says where it listens.
pub(crate) const LISTEN_FILE: &str = "listen";

/// A connection to a controller.
pub(crate) struct Remote {
    pub(crate) client: OperatorClient<Channel>,
    address: String,
    identity: PathBuf,
}

impl Remote {
    /// Connects to the controller at `host:port`, as the operator whose identity is in the state directory or in the file
    /// of `MUSTER_IDENTITY`.
    pub(crate) async fn connect(
        address: &str,
        directory: &Path,
        environment: &Environment,
    ) -> Result<Self, CliError> {
        let own = environment.get("MUSTER_IDENTITY").filter(|path| !path.is_empty());
        let identity = own.map_or_else(|| directory.join("operator.pem"), PathBuf::from);
        let client = open(address, &identity).await?;
        Ok(Self { client, address: address.to_owned(), identity })
    }

    /// The controller that was named, else the one that runs on this machine with this state directory.
    pub(crate) async fn find(
        named: Option<&str>,
        directory: &Path,
        environment: &Environment,
    ) -> Result<Self, CliError> {
        let address = match named {
            Some(address) => address.to_owned(),
            None => local_address(directory).ok_or_else(|| {
                let place = directory.display();
                CliError::failed(format!("no controller runs with the state directory {place}"))
                    .hint("name one with --controller or MUSTER_CONTROLLER, or start one: `muster serve`")
            })?,
        };
        Self::connect(&address, directory, environment).await
    }
}

/// Where a controller with this state directory listens, by its own word.
pub(crate) fn local_address(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join(LISTEN_FILE)).ok()?;
    let text = text.trim();
    let (host, port) = text.rsplit_once(':')?;
    Some(match host {
        "0.0.0.0" => format!("127.0.0.1:{port}"),
        "[::]" => format!("[::1]:{port}"),
        _ => text.to_owned(),
    })
}

async fn open(address: &str, identity: &Path) -> Result<OperatorClient<Channel>, CliError> {
    let place = identity.display();
    let credentials = Credentials::load(identity)
        .map_err(CliError::failed)?
        .ok_or_else(|| {
            CliError::failed(format!("there is no identity of an operator in {place}")).hint(
                "copy operator.pem from the controller's state directory, and name it with MUSTER_IDENTITY",
            )
        })?;
    let config = identity::client_config(&credentials).map_err(CliError::failed)?;
    let channel = links::connect(address, config).await.map_err(CliError::failed)?;
    Ok(OperatorClient::new(channel)
        .max_decoding_message_size(proto::MAX_MESSAGE)
        .max_encoding_message_size(proto::MAX_MESSAGE))
}

/// What a controller answers instead of what it was asked for.
pub(crate) fn refused(status: &Status) -> CliError {
    let kind = match status.code() {
        Code::InvalidArgument => ErrorKind::Content,
        _ => ErrorKind::Failed,
    };
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled => CliError::new(
            kind,
            format!("lost the connection to the controller: {}", status.message()),
        ),
        _ => CliError::new(kind, status.message().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_controller_on_this_machine_is_found() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(local_address(directory.path()), None);
        for (written, expected) in [
            ("0.0.0.0:7420\n", "127.0.0.1:7420"),
            ("[::]:7420", "[::1]:7420"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            fs::write(directory.path().join(LISTEN_FILE), written).unwrap();
            assert_eq!(local_address(directory.path()).as_deref(), Some(expected));
        }
    }

    #[tokio::test]
    async fn a_missing_identity_is_explained() {
        let directory = tempfile::tempdir().unwrap();
        let error = Remote::connect("127.0.0.1:1", directory.path(), &Environment::new())
            .await
            .err()
            .expect("there is no identity");
        let text = error.render(yaml::Style::Plain);
        assert!(text.contains("operator.pem") && text.contains("MUSTER_IDENTITY"), "{text}");
    }
}
