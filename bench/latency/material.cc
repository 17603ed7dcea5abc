#include "bench/latency/material.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/testing/must.h"

namespace bench {

namespace {

using canvas::testing::Must;

constexpr std::int64_t kPiece = 524288;  // written at a time

float SampleOf(int lane, std::int64_t index) {
  return static_cast<float>((index * 7 + lane) % 1000) / 1000.0F;
}

}  // namespace

std::int64_t LengthOf(int lane) {
  return lane == 0 ? kAll : lane < 4 ? kAll / 4 : lane < 16 ? kAll / 16 : kAll / 64;
}

Material::Material(const std::string& path, std::uint64_t seconds, std::int64_t origin, int lanes)
    : path_(path), origin_(origin) {
  Must(canvas::Canvas::Create(path, {.capacity_seconds = seconds}));
  WriteLanes(lanes);
  canvas_.emplace(Must(canvas::Canvas::Open(path)));
  window_.emplace(Must(canvas_->MakeWindow(ids_, {.max_seconds = 600})));
  Must(window_->MoveTo({canvas::Frame(origin), canvas::Frame(origin + kAll)}));
  for (const canvas::LaneId id : ids_) {
    readers.push_back(Must(window_->Reader(id)));
    plain.push_back(Must(canvas_->Reader(id)));
  }
  together.emplace(Must(window_->Readers(ids_)));
  FindPages(lanes);
}

void Material::WriteLanes(int lanes) {
  canvas::Canvas writer = Writable();
  // Written as the importer does: some megabytes at a time, which the kernel keeps in large
  // pages.
  std::vector<float> piece(2 * kPiece);
  for (int lane = 0; lane < lanes; ++lane) {
    ids_.push_back(Must(writer.AddLane({.name = std::to_string(lane), .channels = 2})));
    auto own = Must(writer.Writer(ids_.back()));
    for (std::int64_t at = 0; at < LengthOf(lane); at += kPiece) {
      const std::int64_t frames = std::min(kPiece, LengthOf(lane) - at);
      Fill(lane, at, std::span(piece).first(static_cast<std::size_t>(frames) * 2));
      Must(own.Write(canvas::Frame(origin_ + at),
                     std::span(piece).first(static_cast<std::size_t>(frames) * 2)));
    }
  }
}

void Material::FindPages(int lanes) {
  for (int lane = 0; lane < lanes; ++lane) {
    std::vector<const float*> pages;
    for (std::int64_t page = 0; page * kPage < LengthOf(lane); ++page)
      pages.push_back(At(lane).ViewAt(canvas::Frame(origin_ + page * kPage), 1).samples().data());
    pages_.push_back(std::move(pages));
  }
}

canvas::Canvas Material::Writable() const {
  return Must(
      canvas::Canvas::Open(path_, {.access = canvas::Access::kReadWrite, .sync_on_close = false}));
}

void Material::Fill(int lane, std::int64_t at, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = SampleOf(lane, at * 2 + static_cast<std::int64_t>(i));
}

}  // namespace bench
