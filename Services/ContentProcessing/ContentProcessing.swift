import Contracts
import Messaging
import ServiceRuntime

/// The process that reads a message once and decides what becomes of it.
@main
enum ContentProcessing {
    static func main() async {
        await ServiceProcess.run(name: "content-processing", configuration: ContentConfiguration.self) { runtime in
            let acceptance = AcceptanceService(
                delivery: DeliveryClient(try runtime.peer("storage")), limits: runtime.configuration.limits,
                logger: runtime.logger)
            // What a message costs here is some ten microseconds of parsing, less than a change of thread; large ones
            // come in chunks. The gate inside the service bounds messages and octets in hand.
            return [try runtime.server([AcceptanceServer(acceptance)])]
        }
    }
}
