"""Cap'n Proto schemas as C++ libraries."""

# For whoever includes a capnp header; on the command line, where no sorting of includes undoes it.
CAPNP_COPTS = [
    "-include",
    "schema/capnp_compat.h",
]

def capnp_cc_library(name, srcs, deps = [], **kwargs):
    """Compiles each schema with the system's capnp and makes one cc_library of the result.

    Args:
      name: of the library.
      srcs: the .capnp files; imports are by absolute path from the workspace ("/schema/x.capnp").
      deps: other cc_library targets.
      **kwargs: passed on to cc_library.
    """
    headers = [src + ".h" for src in srcs]
    sources = [src + ".c++" for src in srcs]
    native.genrule(
        name = name + "_generated",
        srcs = srcs,
        outs = headers + sources,
        # Quoted includes, for Bazel gives the generated tree as a quote path.
        cmd = "capnp compile -I. -oc++:$(GENDIR) $(SRCS) && " +
              "sed -i -E 's,#include <((schema|canvas)/[^>]*)>,#include \"\\1\",' $(OUTS)",
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = CAPNP_COPTS + [
            "-Wno-conversion",
            "-Wno-sign-conversion",
            "-Wno-shadow",
            "-Wno-unused-parameter",
        ],
        deps = deps + ["//schema:capnp_compat", "@system//:capnp"],
        **kwargs
    )
