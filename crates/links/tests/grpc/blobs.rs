//! Blobs on their way to hosts.

use engine::link::BlobStore as _;
use model::Digest;
use proto::v1::GetBlobRequest;
use proto::v1::agents_client::AgentsClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::controller::{Controller, valid};

async fn get(channel: Channel, digest: &[u8], offset: u64) -> Result<(u64, Vec<u8>), Status> {
    let mut client = AgentsClient::new(channel);
    let request = GetBlobRequest { digest: digest.to_vec(), offset };
    let mut stream = client.get_blob(request).await?.into_inner();
    let (mut size, mut compressed) = (0, Vec::new());
    while let Some(piece) = stream.message().await? {
        size += piece.size;
        compressed.extend(piece.data);
    }
    Ok((size, zstd::decode_all(compressed.as_slice()).unwrap()))
}

#[tokio::test]
async fn blobs_arrive_whole_or_from_an_offset() {
    let controller = Controller::start().await;
    let channel = controller.channel(&controller.agent("web01", valid())).await;
    // Larger than many pieces, and not compressible to nothing.
    let content: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let digest = controller.blobs.add(&content).unwrap();
    let (size, whole) = get(channel.clone(), &digest.0, 0).await.unwrap();
    assert_eq!((size, Digest::of(&whole)), (content.len() as u64, digest));
    let (size, rest) = get(channel.clone(), &digest.0, 11_000_000).await.unwrap();
    assert_eq!(size, content.len() as u64);
    assert!(rest == content[11_000_000..]);
    let end = get(channel.clone(), &digest.0, size).await.unwrap();
    assert_eq!(end, (size, Vec::new()));
    let empty = controller.blobs.add(b"").unwrap();
    assert_eq!(get(channel, &empty.0, 0).await.unwrap(), (0, Vec::new()));
}

#[tokio::test]
async fn what_is_not_there_is_not_served() {
    let controller = Controller::start().await;
    let channel = controller.channel(&controller.agent("web01", valid())).await;
    let digest = controller.blobs.add(b"abc").unwrap();
    let check = async |digest: &[u8], offset: u64, code: Code| {
        let status = get(channel.clone(), digest, offset).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    };
    check(&Digest::of(b"x").0, 0, Code::NotFound).await;
    check(&digest.0, 4, Code::OutOfRange).await;
    check(b"../../ca.pem", 0, Code::InvalidArgument).await;
}
