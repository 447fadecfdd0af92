#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/coordinator/service/service_fixture.h"

namespace cce {

/// Follows one job's stream as a client does that loses its connection at every restart.
struct Follower {
  StreamPosition place;
  std::vector<std::string> items;

  void read(const JobService& service, const std::string& id) {
    for (const StreamItem& item : service.events(id, place, 3)) {
      EXPECT_GT(item.position, place);
      place = item.position;
      items.push_back(to_text(item.position) + " " + item.json);
    }
  }
};

class EngineFaults : public ServiceTest {
 protected:
  /// A world of its own for each fault.
  void begin_world() {
    kill();
    std::filesystem::remove_all(folder_ / "data");
    const SchedulerTraits traits = cluster_.traits;
    cluster_ = FakeCluster();
    cluster_.traits = traits;
    kill_at_clock_read_ = 0;
    start();
    clock_reads_ = 0;
    ids_.clear();
    followers_.clear();
  }

  /// The process may end anywhere in `body`; then another begins.
  template <typename Body>
  void survive(const Body& body) {
    try {
      body();
    } catch (const Killed&) {
      ++deaths_;
      restart();
    }
  }

  void create_jobs() {
    for (int i = 0; i < 2; ++i) {
      const std::string key = "key-" + std::to_string(i);
      std::string id;
      while (id.empty()) {  // as a client repeats what had no answer
        survive([&] { id = service_->create(recipe(i), key).job->id; });
      }
      ids_.push_back(id);
    }
  }

  bool all_completed() {
    return std::all_of(ids_.begin(), ids_.end(),
                       [&](const std::string& id) { return state(id) == JobState::completed; });
  }

  /// Everything to its end.
  void run_world() {
    create_jobs();
    follow_to_the_end();
  }
  void follow_to_the_end() {
    bool over = false;
    for (int i = 0; i < 100 && !over; ++i) {
      survive([&] { service_->step(); });
      for (const std::string& id : ids_) {
        survive([&] { followers_[id].read(*service_, id); });
      }
      survive([&] { over = all_completed(); });
      cluster_.tick();
      now_ += 1.0;
    }
  }

  void check_world() {
    kill_at_clock_read_ = 0;
    for (const std::string& id : ids_) {
      ASSERT_EQ(state_name(state(id)), "completed") << describe_job(id);
      EXPECT_EQ(service_->get(id)->attempt, 1);
      EXPECT_EQ(cluster_.submissions["cce-" + id + "-1"], 1);
      EXPECT_EQ(run_of(id).starts, 1);
      Follower& follower = followers_[id];
      for (int i = 0; i < 20; ++i) {
        follower.read(*service_, id);
      }
      Follower whole;
      for (int i = 0; i < 20; ++i) {
        whole.read(*service_, id);
      }
      EXPECT_EQ(follower.items, whole.items);
      EXPECT_EQ(std::count_if(whole.items.begin(), whole.items.end(),
                              [](const std::string& item) {
                                return item.find("\"type\":\"started\"") != std::string::npos;
                              }),
                1);
    }
    EXPECT_EQ(cluster_.runs.size(), ids_.size());
    EXPECT_EQ(service_->list(std::nullopt, "", 10).jobs.size(), ids_.size());
  }

  std::vector<std::string> ids_;
  std::map<std::string, Follower> followers_;
  int deaths_ = 0;
};

}  // namespace cce
