"""Libraries that the benches compare with, where they are installed: //:NAME defines BENCH_HAS_NAME."""

_PEERS = {
    # name: (header, flag of the linker)
    "hdf5": ("/usr/include/hdf5/serial/hdf5.h", "-lhdf5_serial"),
    "lmdb": ("/usr/include/lmdb.h", "-llmdb"),
    "sqlite": ("/usr/include/sqlite3.h", "-lsqlite3"),
}

def _peers_impl(repository_ctx):
    lines = ["package(default_visibility = [\"//visibility:public\"])"]
    for name, (header, link) in _PEERS.items():
        if repository_ctx.path(header).exists:
            lines.append("cc_library(name = \"%s\", defines = [\"BENCH_HAS_%s\"], linkopts = [\"%s\"])" %
                         (name, name.upper(), link))
        else:
            lines.append("cc_library(name = \"%s\")" % name)
    repository_ctx.file("BUILD", "\n".join(lines) + "\n")

peers_repository = repository_rule(
    implementation = _peers_impl,
    local = True,
)
