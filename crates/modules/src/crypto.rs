//! `community.crypto`: keys, signing requests and certificates in files. The formats themselves are the crate
//! `certificates`.

mod material;
mod product;

pub(crate) mod openssh_keypair;
pub(crate) mod openssl_csr;
pub(crate) mod openssl_privatekey;
pub(crate) mod openssl_publickey;
pub(crate) mod x509_certificate;
