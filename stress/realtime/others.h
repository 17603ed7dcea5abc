// The other processes of realtime_stress. Each says when it has begun, and goes on until it is
// killed.
#pragma once

#include <cstdint>
#include <string>

namespace canvas::stress {

void Overwrite(const std::string& path, std::uint32_t seed);
// Appends to a lane nobody reads and to half of those that are read (beyond what is read), and
// gives the former's pages back again and again.
void Append(const std::string& path);
void Edit(const std::string& path);
void Punch(const std::string& path);
void SyncAlways(const std::string& path);

}  // namespace canvas::stress
