#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Octets as the contracts' generated messages hold them.
typealias Bytes = Data
