# A bare Debian 13 in a folder of the cache, with its own GStreamer (1.26), LibTorch (2.6) and compiler, to run the
# tests in. To be sourced by sh behind pipelines/setup.sh. All mounts are in a namespace of their own: they go with its
# last process, however that ends.

debian13_packages="$run_packages $test_packages ccache libtorch-dev
  libgstreamer-plugins-bad1.0-dev gstreamer1.0-plugins-bad
  python3-torch python3-torchvision python3-safetensors python3-onnxruntime python3-pil python3-numpy"

# To be run inside; later runs install what was added to the list meanwhile.
debian13_install="cd /src && . pipelines/setup.sh && install_packages $(echo $debian13_packages) && apt-get clean"

# in_debian13 FOLDER SCRIPT: SCRIPT with sh and the folder as its root; $root is /src there, to be read only, but for
# /src/build, which is build-trixie here.
in_debian13() {
  mkdir -p "$root/build" "$root/build-trixie" "$1/src" "$1/shared"
  cp -L /etc/resolv.conf "$1/etc/resolv.conf"
  unshare --mount sh -c '
    system=$1 root=$2
    for folder in proc sys dev; do mount --rbind "/$folder" "$system/$folder" || exit 1; done
    mount --bind "$root" "$system/src" && mount -o remount,bind,ro "$system/src" &&
      mount --bind "$root/build-trixie" "$system/src/build" || exit 1
    if [ -d "$root/../shared" ]; then mount --rbind "$root/../shared" "$system/shared" || exit 1; fi
    exec chroot "$system" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
      ${CI:+"CI=$CI"} ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} sh -c "$3"
    ' sh "$1" "$root" "$2"
}

fill_debian13() {
  debian_mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 '/debian/$')
  quietly unshare --mount debootstrap --variant=minbase --include=ca-certificates trixie "$1" $debian_mirror &&
    # Nothing of it is worth a sync: an interrupted one is made anew.
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/no-sync" &&
    in_debian13 "$1" "$debian13_install"
}

# Sets $debian13 to the folder, or to nothing and $no_debian13 to the reason.
setup_debian13() {
  debian13=
  no_debian13=
  if [ "$(id -u)" -ne 0 ]; then
    no_debian13='it takes root'
  elif ! unshare --mount true 2>/dev/null; then
    no_debian13='this machine lets nobody mount'
  elif [ ! -d "$cache/debian-13" ]; then
    say "Debian 13 with GStreamer and LibTorch to $cache: 0.9 GB to download, 3.8 GB on disk"
    install_packages debootstrap
    debian13_start=$(date +%s)
    if ! has_room 8000; then
      no_debian13="less than 8 GB are free for $cache"
    elif locked make_folder debian-13 fill_debian13; then
      say "Installing Debian 13: done in $(($(date +%s) - debian13_start)) s"
    else
      no_debian13='it could not be installed with debootstrap'
    fi
  fi
  [ -n "$no_debian13" ] || debian13=$cache/debian-13
}
