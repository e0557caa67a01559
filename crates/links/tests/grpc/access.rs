//! Every RPC with every kind of caller.

use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use identity::{Credentials, Validity, client_config, enrolment_client_config};
use links::{ACCESS, ConnectError, Required, connect};
use proto::v1;
use rustls::ClientConfig;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::controller::{Controller, agent_id, valid};

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The service was reached; what it said does not matter here.
    Served,
    /// Refused by the table, or because of the certificate.
    Refused(Code),
    /// TLS did not let the caller in.
    NoConnection,
}

async fn call(channel: Channel, path: &'static str) -> Answer {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    // An empty message is one of any type.
    let codec = ProstCodec::<v1::StatusRequest, v1::StatusRequest>::default();
    let request = Request::new(v1::StatusRequest {});
    let path = PathAndQuery::from_static(path);
    let status = match client.server_streaming(request, path, codec).await {
        Ok(mut stream) => match stream.get_mut().message().await {
            Ok(_) => return Answer::Served,
            Err(status) => status,
        },
        Err(status) => status,
    };
    answer(&status)
}

fn answer(status: &Status) -> Answer {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => {
            // `Enroll` refuses by itself, with the word of the token.
            if status.message().contains("token") {
                Answer::Served
            } else {
                Answer::Refused(status.code())
            }
        }
        Code::Unknown | Code::Unavailable | Code::Internal | Code::Cancelled => {
            // In TLS 1.3 a client learns after its handshake that it was not let in.
            Answer::NoConnection
        }
        _ => Answer::Served,
    }
}

async fn dial(controller: &Controller, config: ClientConfig) -> Result<Channel, ConnectError> {
    connect(&controller.address, config).await
}

async fn check(
    controller: &Controller,
    config: ClientConfig,
    who: &str,
    expected: impl Fn(Required) -> Answer,
) {
    for (path, required) in ACCESS {
        let answer = match dial(controller, config.clone()).await {
            Ok(channel) => call(channel, path).await,
            Err(_) => Answer::NoConnection,
        };
        assert_eq!(answer, expected(*required), "{who} calls {path}");
    }
}

#[tokio::test]
async fn every_rpc_is_only_for_whom_it_is_for() {
    let controller = Controller::start().await;
    let foreign = Controller::start().await;
    let config = |credentials: &Credentials| client_config(credentials).unwrap();

    let nobody = enrolment_client_config(controller.authority.fingerprint()).unwrap();
    check(&controller, nobody, "nobody", |required| match required {
        Required::Anyone => Answer::Served,
        _ => Answer::Refused(Code::Unauthenticated),
    })
    .await;

    let as_agent = |required| match required {
        Required::Operator => Answer::Refused(Code::PermissionDenied),
        Required::Anyone | Required::Agent => Answer::Served,
    };
    let agent = controller.agent("web01", valid());
    check(&controller, config(&agent), "an agent", as_agent).await;
    let other = controller.agent("web02", valid());
    check(&controller, config(&other), "another agent", as_agent).await;

    let operator = controller.authority.issue_operator("ada", valid()).unwrap();
    check(&controller, config(&operator), "an operator", |required| match required {
        Required::Agent => Answer::Refused(Code::PermissionDenied),
        Required::Anyone | Required::Operator => Answer::Served,
    })
    .await;

    controller.records.revoked.lock().unwrap().insert(agent_id(&agent));
    check(&controller, config(&agent), "a revoked agent", |required| match required {
        Required::Operator => Answer::Refused(Code::PermissionDenied),
        Required::Anyone => Answer::Refused(Code::Unauthenticated),
        Required::Agent => Answer::Refused(Code::Unauthenticated),
    })
    .await;

    let past = SystemTime::now() - Duration::from_hours(2);
    let validity = Validity { from: past, until: past + Duration::from_hours(1) };
    let expired = controller.agent("web03", validity);
    check(&controller, config(&expired), "an expired agent", |_| Answer::NoConnection).await;

    let mut stranger = foreign.agent("web01", valid());
    check(&controller, config(&stranger), "who trusts another", |_| Answer::NoConnection).await;
    stranger.authority.clone_from(&agent.authority);
    check(&controller, config(&stranger), "a foreign agent", |_| Answer::NoConnection).await;
}

#[tokio::test]
async fn an_unknown_rpc_is_refused_to_everybody() {
    let controller = Controller::start().await;
    let operator = controller.authority.issue_operator("ada", valid()).unwrap();
    for path in ["/muster.v1.Operator/DeleteEverything", "/grpc.reflection.v1.X/Y", "/"] {
        let answer = call(controller.channel(&operator).await, path).await;
        assert_eq!(answer, Answer::Refused(Code::PermissionDenied), "{path}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_learns_why() {
    let controller = Controller::start().await;
    let foreign = Controller::start().await;
    let stranger = foreign.agent("web01", valid());
    let error = dial(&controller, client_config(&stranger).unwrap()).await.unwrap_err();
    assert!(error.reason.contains("from a foreign authority"), "{error}");
    let error = connect("127.0.0.1:1", client_config(&stranger).unwrap()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot connect to 127.0.0.1:1: Connection refused (os error 111)"
    );
}
