#include "coordinator/scheduler/mpi_surroundings.h"

#include <gmock/gmock.h>

#include "coordinator/system/host_name.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/faults/faulty_file_system.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

TEST(MpiInherits, nothing_of_an_enclosing_job_and_what_tells_how_messages_travel) {
  for (const char* kept :
       {"PATH", "HOME", "LD_LIBRARY_PATH", "OPAL_PREFIX", "UCX_TLS", "SLURM_JOB_ID",
        "OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_pml_base_verbose", "OMPI_MCA_mpi_yield_when_idle"}) {
    EXPECT_TRUE(mpi_inherits(kept)) << kept;
  }
  for (const char* dropped :
       {"OMPI_COMM_WORLD_SIZE", "OMPI_UNIVERSE_SIZE", "OMPI_MCA_orte_ess_num_procs", "OMPI_MCA_ess",
        "OMPI_MCA_rmaps_base_no_oversubscribe", "OMPI_MCA_rmaps_base_mapping_policy",
        "OMPI_MCA_hwloc_base_binding_policy", "PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PRTE_MCA_prte_base",
        "SLURM_STEP_ID", "SLURM_PROCID"}) {
    EXPECT_FALSE(mpi_inherits(dropped)) << dropped;
  }
}

/// Its own folders, with as much room as a test says.
class Rooms : public ::testing::Test {
 protected:
  fs::path make(const std::string& name) {
    fs::create_directories(folder_ / name);
    return folder_ / name;
  }
  Rooms() { files_.set_free_bytes(std::int64_t{1} << 40); }
  TemporaryFolder folder_;
  PosixFileSystem real_;
  FaultyFileSystem files_{real_};
};

TEST_F(Rooms, the_first_folder_that_can_be_used_is_taken) {
  const fs::path full = make("full"), good = make("good"), shared = make("shm");
  files_.set_free_bytes(full, 4096);
  const MpiFolders folders = find_mpi_folders(
      files_, {full, folder_ / "absent", make(std::string(60, 'l')), good, make("other")}, shared, 4);
  EXPECT_EQ(folders.session, good);
  EXPECT_EQ(folders.shared_memory, shared);
}

TEST_F(Rooms, ranks_share_memory_elsewhere_where_its_place_is_full) {
  const fs::path shared = make("shm"), good = make("good");
  files_.set_free_bytes(shared, std::int64_t{16} << 20);
  EXPECT_EQ(find_mpi_folders(files_, {good}, shared, 2).shared_memory, shared);
  EXPECT_EQ(find_mpi_folders(files_, {good}, shared, 8).shared_memory, good);
}

TEST_F(Rooms, none_is_an_error_that_says_what_is_wrong_with_each) {
  const fs::path full = make("full");
  files_.set_free_bytes(full, 4096);
  const Error error = error_of([&] { find_mpi_folders(files_, {full, folder_ / "absent"}, make("shm"), 1); });
  EXPECT_EQ(exit_code(error.code), 2);
  EXPECT_THAT(error.found, ::testing::AllOf(::testing::HasSubstr("full has 4.0 KiB free"),
                                            ::testing::HasSubstr("absent is no folder")));
  EXPECT_THAT(error.remedy, ::testing::HasSubstr("TMPDIR"));
}

TEST(HostName, those_that_open_mpi_cannot_start_with_are_told) {
  for (const std::string& name :
       {std::string("node-7.cluster.example"), std::string("localhost"), std::string(50, 'a')}) {
    EXPECT_TRUE(suits_mpi(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string(60, 'a'), std::string("codespaces_1"), std::string("(none)")}) {
    EXPECT_FALSE(suits_mpi(name)) << name;
  }
}

}  // namespace
}  // namespace cce
