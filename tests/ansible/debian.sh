# Which Debian, and from where.
suite=bookworm
mirror=http://deb.debian.org/debian
debian_list() {
    echo "deb $mirror $suite main"
    echo "deb $mirror $suite-updates main"
    echo "deb http://deb.debian.org/debian-security $suite-security main"
}
