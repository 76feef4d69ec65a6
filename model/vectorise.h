#ifndef RESNET_MODEL_VECTORISE_H
#define RESNET_MODEL_VECTORISE_H

// A loop over integers, compiled for several generations of x86 and chosen when the program starts.
// Sanitizers run before ifuncs can be resolved, and only glibc has them.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(RESNET_SANITIZED) && defined(__OPTIMIZE__)
#define RESNET_VECTORISE __attribute__((target_clones("arch=x86-64-v4", "avx2", "default"), optimize("O3")))
#else
#define RESNET_VECTORISE
#endif

#endif
