# A site's profile, for `cce serve --scheduler slurm --slurm-profile FILE`: every batch script sources it on the first node
# of its job, and the workers inherit what it exports. This one is for nodes with NVIDIA GPUs and InfiniBand (mlx5); look
# names up with `ibdev2netdev` and `ip link`. It is the operator's file: no recipe can name or change it.

# MPI (start-up, plans, CPU ranks): Open MPI over UCX. srun starts the ranks through PMIx, so no mpirun and no ssh.
export OMPI_MCA_pml=ucx
export OMPI_MCA_osc=ucx
export UCX_TLS=rc,sm,self,cuda_copy,cuda_ipc
export UCX_NET_DEVICES=mlx5_0:1
export PMIX_MCA_gds=hash

# NCCL (statistics and gradients between GPUs; workers without CUDA ignore it): which network, and warnings into the log.
export NCCL_IB_HCA=mlx5
export NCCL_SOCKET_IFNAME=ib0
export NCCL_DEBUG=WARN

# Slurm ties every rank to its own cores, and to the memory beside them.
export SLURM_CPU_BIND=cores
export SLURM_MEM_BIND=local

# What images may see, beside the job folder: models and texts.
export APPTAINER_BINDPATH=/data/models,/data/text
