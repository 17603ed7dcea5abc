// What tests of the storage layer share: the file of a canvas with a small geometry, under no API.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "canvas/format/geometry.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/testing/basics.h"

namespace canvas::testing {

// Small, so that sanitizers map it too: four pages of 1 s at 8 kHz, blocks of 512 B.
format::GeometryFields SmallGeometry();

// A new canvas file of that geometry, in a directory that goes with it.
class SmallFileTest : public ::testing::Test {
 protected:
  SmallFileTest();

  // For reading and writing, and through one mapping, where nothing else is said.
  std::shared_ptr<storage::CanvasFile> Open(const storage::FileOptions& options = {
                                                .access = os::Access::kReadWrite,
                                                .single_mapping = true}) const;

  TempDir dir_;
  std::string path_ = dir_.path("sut.canvas");
};

}  // namespace canvas::testing
