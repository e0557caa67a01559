//! Sources in, hosts, groups, variables and messages out. The expectations were observed on ansible-core 2.19.
